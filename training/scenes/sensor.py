"""What a camera does to a picture: lens, exposure, motion, noise, compression.

Rendered pictures are sharper, cleaner and straighter than any robot's. The lens bends truth and picture alike; all
else touches the picture only. Radial distortion is the first term of Brown (1966); noise is photon noise, which grows
with the square root of the light, and reading noise, which does not.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage


@dataclass(frozen=True, kw_only=True)
class Sensor:
    """One camera at one moment.

    Attributes:
        distortion: of the lens; positive bends straight lines outwards (barrel), negative inwards (pincushion).
        vignette: how much darker the corners are, in [0, 1].
        exposure: in stops; 1 doubles the light.
        gains: of red, green and blue: a white balance that is off.
        defocus: standard deviation of the blur, pixels.
        motion: how far the picture moves during the exposure, pixels along x and y.
        photon_noise: standard deviation at full light, as a part of full light.
        reading_noise: the same everywhere.
        quality: of JPEG, 1 to 95.
        seed: of the noise.
    """

    distortion: float = 0.0
    vignette: float = 0.0
    exposure: float = 0.0
    gains: tuple[float, float, float] = (1.0, 1.0, 1.0)
    defocus: float = 0.0
    motion: tuple[float, float] = (0.0, 0.0)
    photon_noise: float = 0.0
    reading_noise: float = 0.0
    quality: int = 95
    seed: int = 0

    def bend(self, image: NDArray[Any], *, smooth: bool) -> NDArray[Any]:
        """Through the lens: H x W or H x W x C; `smooth` for colours, else each pixel keeps one of the old values."""
        if self.distortion == 0:
            return image
        height, width = image.shape[:2]
        rows, columns = np.mgrid[:height, :width].astype(float)
        middle = np.array([(height - 1) / 2, (width - 1) / 2])
        offset = np.stack([rows, columns]) - middle[:, None, None]  # 2 x H x W
        square = (offset**2).sum(0) / (middle**2).sum()  # 1 in the corners
        factor = 1 + self.distortion * square
        source = middle[:, None, None] + offset * factor / max(1.0, 1 + self.distortion)
        planes = image[..., None] if image.ndim == 2 else image
        bent = [
            ndimage.map_coordinates(planes[..., channel], source, order=int(smooth), mode="nearest")
            for channel in range(planes.shape[2])
        ]
        return np.stack(bent, -1).reshape(image.shape)

    def expose(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The picture as the sensor gives it: H x W x 3."""
        random = np.random.default_rng(self.seed)
        light = (rgb / 255.0) ** 2.2
        light = self._blurred(light) * self._shade(rgb.shape[:2])[..., None] * np.array(self.gains) * 2.0**self.exposure
        spread = np.sqrt(self.photon_noise**2 * light + self.reading_noise**2)
        noisy = light + spread * random.standard_normal(light.shape)
        seen = (noisy.clip(0, 1) ** (1 / 2.2) * 255).round().astype(np.uint8)
        return self._compressed(seen)

    def _blurred(self, light: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.defocus:
            light = ndimage.gaussian_filter(light, (self.defocus, self.defocus, 0), mode="nearest")
        steps = int(np.ceil(max(map(abs, self.motion)))) + 1
        if steps == 1:
            return light
        places = np.linspace(-0.5, 0.5, steps)[:, None] * np.array(self.motion)
        moved = [ndimage.shift(light, (y, x, 0), order=1, mode="nearest") for x, y in places]
        mean: NDArray[np.float64] = np.mean(moved, axis=0)
        return mean

    def _shade(self, size_hw: tuple[int, ...]) -> NDArray[np.float64]:
        rows, columns = (np.linspace(-1, 1, side) ** 2 for side in size_hw)
        return 1 - self.vignette * (rows[:, None] + columns) / 2

    def _compressed(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        held = io.BytesIO()
        Image.fromarray(rgb).save(held, "JPEG", quality=self.quality)
        return np.asarray(Image.open(held).convert("RGB"))


def draw_sensor(random: np.random.Generator) -> Sensor:
    """A camera as robots have them, from good to poor."""
    angle, moved = random.uniform(0, 2 * np.pi), max(0.0, random.normal(0, 1.5))
    red, blue = np.exp(random.normal(0, 0.08, 2))
    return Sensor(
        distortion=float(random.uniform(-0.06, 0.18)),
        vignette=float(random.uniform(0, 0.45)),
        exposure=float(random.normal(0, 0.35)),
        gains=(float(red), 1.0, float(blue)),
        defocus=float(max(0.0, random.normal(0.2, 0.35))),
        motion=(float(moved * np.cos(angle)), float(moved * np.sin(angle))),
        photon_noise=float(random.uniform(0, 0.04)),
        reading_noise=float(random.uniform(0, 0.006)),
        quality=int(random.integers(45, 96)),
        seed=int(random.integers(2**31)),
    )
