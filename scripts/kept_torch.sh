# Sourced by setup.sh: a torch that was there before is never replaced, and neither is what belongs to it. Jetsons bring
# one of their own, and a workstation's may be built for its card.

TORCH_FAMILY='torch|torchvision|torchaudio|triton|pytorch-triton|nvidia-[a-z0-9-]+|cuda-[a-z]+'

torch_of() { # torch_of PYTHON: the version of the torch that it would import, or nothing
  "$1" -c 'from importlib.metadata import version; print(version("torch"))' 2>/dev/null || true
}

without_torch() { # without_torch LOCK: the lines of all other packages
  grep -vE "^($TORCH_FAMILY)==" "$1"
}

share_torch() { # share_torch FROM TO: interpreter TO finds the torch of interpreter FROM, after all packages of its own
  local folder
  folder="$("$1" -c 'import os
from importlib.util import find_spec
print(os.path.dirname(os.path.dirname(find_spec("torch").origin)))')"
  echo "$folder" >"$("$2" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/kept-torch.pth"
}
