import pytest

from instructseq_training.scenes.assets import find_assets
from instructseq_training.scenes.errors import SceneError


@pytest.fixture(scope="session")
def assets():
    """The object models, where this machine has them; nothing is downloaded for a test."""
    try:
        return find_assets(fetch=False)
    except SceneError as error:
        pytest.skip(f"no object models: {error}")


@pytest.fixture(scope="session")
def opengl():
    """A context without a display, where this machine can make one."""
    import mujoco

    try:
        model = mujoco.MjModel.from_xml_string("<mujoco><worldbody><geom size='1'/></worldbody></mujoco>")
        mujoco.Renderer(model, 8, 8).close()
    except Exception as error:
        pytest.skip(f"MuJoCo cannot render here: {error}")
