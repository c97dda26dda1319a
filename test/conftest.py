"""What tests of several packages need of the machine."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def opengl():
    """A context without a display, where this machine can make one."""
    import mujoco

    try:
        model = mujoco.MjModel.from_xml_string("<mujoco><worldbody><geom size='1'/></worldbody></mujoco>")
        mujoco.Renderer(model, 8, 8).close()
    except Exception as error:
        pytest.skip(f"MuJoCo cannot render here: {error}")
