"""A language model behind an HTTP endpoint, through litellm: any OpenAI-compatible server, Anthropic, and more."""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from types import ModuleType
from typing import Any

from instructseq_model.errors import ConfigError, InstructSeqError
from instructseq_training.phrasing_generation.prompt import Message

_TRANSIENT = frozenset({408, 409, 425, 429})
_FIRST_WAIT = 1.0
_LONGEST_WAIT = 60.0
_LONGEST_ASKED_WAIT = 600.0
_CHARACTERS_A_TOKEN = 2
"""Fewer than there are in English, so that a budget is never passed by an estimate."""


class EndpointError(InstructSeqError):
    """An endpoint refuses, or does not answer after all retries."""


@dataclass(frozen=True, kw_only=True)
class EndpointSettings:
    """Which model to ask, and how.

    Attributes:
        model: litellm's name: `openai/NAME` for any OpenAI-compatible server, `anthropic/NAME`, and more.
        api_base: the endpoint's address, or None for the provider's own. Keys come from the environment.
        temperature: of the model's sampling.
        max_tokens: longest answer.
        timeout: seconds that an answer may take.
        retries: how often to ask again after a failure that may pass.
        input_price: US dollars a million tokens of requests; None takes litellm's table.
        output_price: the same for answers.
    """

    model: str
    api_base: str | None = None
    temperature: float = 1.0
    max_tokens: int = 2000
    timeout: float = 120.0
    retries: int = 5
    input_price: float | None = None
    output_price: float | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a model answered; `cost` is in US dollars, or None if the price is unknown."""

    text: str
    input_tokens: int
    output_tokens: int
    cost: float | None


class Endpoint:
    """Asks one model, again if need be.

    Args:
        settings: which model.
        sleep: waits for some seconds.
        on_retry: told in words why and for how long it waits.

    Raises:
        ConfigError: litellm is not installed, does not know the provider, or the provider's key is not set.
    """

    def __init__(
        self,
        settings: EndpointSettings,
        *,
        sleep: Callable[[float], None] = time.sleep,
        on_retry: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._sleep = sleep
        self._on_retry = on_retry
        self._litellm = _load_litellm()
        self._key = self._key_to_give()
        self._prices = self._known_prices()

    @property
    def has_price(self) -> bool:
        """Whether costs can be told."""
        return self._prices is not None

    def most_cost(self, messages: Sequence[Message]) -> float | None:
        """The most that an answer to these messages can cost in US dollars, or None if the price is unknown."""
        characters = sum(len(message["content"]) for message in messages)
        return self._cost(characters // _CHARACTERS_A_TOKEN, self._settings.max_tokens)

    def ask(self, messages: Sequence[Message]) -> Answer:
        """The model's answer.

        Failures that may pass (rate limits, server errors, lost connections, late answers) are tried again after the
        time that the server's Retry-After asks for, or else after about 1, 2, 4, ... seconds, at most a minute.

        Raises:
            EndpointError: the endpoint refuses, failed once more than there are retries, or wants a pause of more than
                ten minutes.
        """
        for attempt in range(self._settings.retries + 1):
            try:
                return self._ask_once(messages)
            except Exception as error:  # litellm's errors have no base of their own
                if not self._may_pass(error):
                    raise EndpointError(f"{self._settings.model}: {self._said(error)}") from None
                if attempt == self._settings.retries:
                    raise EndpointError(
                        f"{self._settings.model} failed {attempt + 1} times, at last with: {self._said(error)}. What "
                        "was answered is kept: give the same command again to go on"
                    ) from None
                wait = _wait_for(error, attempt)
                if wait > _LONGEST_ASKED_WAIT:
                    raise EndpointError(
                        f"{self._settings.model} asks to wait for {wait:.0f} s: give the same command again after that"
                    ) from None
                self._on_retry(f"{type(error).__name__}: asking again in {wait:.0f} s")
                self._sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    def _ask_once(self, messages: Sequence[Message]) -> Answer:
        settings = self._settings
        response = self._litellm.completion(
            model=settings.model,
            messages=list(messages),
            api_base=settings.api_base,
            api_key=self._key,
            temperature=settings.temperature,
            max_tokens=settings.max_tokens,
            timeout=settings.timeout,
            num_retries=0,
            max_retries=0,
        )
        usage = getattr(response, "usage", None)
        tokens = int(getattr(usage, "prompt_tokens", 0) or 0), int(getattr(usage, "completion_tokens", 0) or 0)
        text = response.choices[0].message.content if response.choices else ""
        return Answer(text=text or "", input_tokens=tokens[0], output_tokens=tokens[1], cost=self._cost(*tokens))

    def _cost(self, input_tokens: int, output_tokens: int) -> float | None:
        if self._prices is None:
            return None
        return (input_tokens * self._prices[0] + output_tokens * self._prices[1]) / 1e6

    def _known_prices(self) -> tuple[float, float] | None:
        given = self._settings.input_price, self._settings.output_price
        if given[0] is not None and given[1] is not None:
            return given[0], given[1]
        try:
            known = self._litellm.get_model_info(self._settings.model)
            return 1e6 * float(known["input_cost_per_token"]), 1e6 * float(known["output_cost_per_token"])
        except Exception:  # an unknown model is a bare Exception there
            return None

    def _key_to_give(self) -> str | None:
        """None lets litellm take the key from the environment; a server named by the user may need none."""
        try:
            missing = self._litellm.validate_environment(model=self._settings.model)["missing_keys"]
            self._litellm.get_llm_provider(self._settings.model)
        except Exception:
            raise ConfigError(
                f"{self._settings.model!r} names no provider: write openai/NAME for an OpenAI-compatible endpoint, "
                "anthropic/NAME, or another of litellm's names"
            ) from None
        if not missing:
            return None
        if self._settings.api_base is None:
            raise ConfigError(
                f"{' and '.join(missing)} not set: export it, or name a server without keys by --api-base"
            )
        return "none"

    def _may_pass(self, error: Exception) -> bool:
        if isinstance(error, self._litellm.Timeout | self._litellm.APIConnectionError):
            return True
        status = getattr(error, "status_code", None)
        return isinstance(status, int) and (status in _TRANSIENT or status >= 500)

    def _said(self, error: Exception) -> str:
        if isinstance(error, self._litellm.AuthenticationError | self._litellm.PermissionDeniedError):
            return "the endpoint refuses the key: check the provider's key in the environment"
        return without_keys(" ".join(str(error).split()))[:300]


def without_keys(text: str, *, environment: Mapping[str, str] | None = None) -> str:
    """A text without the keys of the environment and without what looks like a key."""
    for name, value in (os.environ if environment is None else environment).items():
        if re.search(r"KEY|TOKEN|SECRET", name) and len(value) >= 8:
            text = text.replace(value, "***")
    return re.sub(r"\b(sk|key)-[\w*-]{6,}", "***", text)


def retry_after(headers: Mapping[str, str], *, now: float) -> float | None:
    """Seconds that a Retry-After header asks for, given as seconds or as a date (RFC 9110, section 10.2.3).

    Args:
        headers: of the answer; names in lower case, or a mapping that does not care.
        now: seconds since 1970, to count a date from.

    Returns:
        Seconds, at least 0, or None without a header that can be read.
    """
    value = headers.get("retry-after")
    if value is None:
        return None
    if re.fullmatch(r"-?\d+(\.\d+)?", value.strip()):
        return max(0.0, float(value))
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except ValueError:
        return None


def _wait_for(error: Exception, attempt: int) -> float:
    headers = getattr(error, "litellm_response_headers", None)
    if headers is None:
        headers = getattr(getattr(error, "response", None), "headers", None)
    asked = retry_after(headers, now=time.time()) if headers is not None else None
    if asked is not None:
        return asked
    return float(min(_LONGEST_WAIT, _FIRST_WAIT * 2**attempt) * random.uniform(0.8, 1.2))


def _load_litellm() -> ModuleType | Any:
    # Without this it fetches its table of prices from the network when it is imported.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    try:
        import litellm
    except ImportError as error:
        raise ConfigError(
            f"the client of language models is not installed ({error}): `pip install -e .[generate]`"
        ) from None
    litellm.suppress_debug_info = True
    litellm.telemetry = False
    litellm.drop_params = True
    return litellm
