"""Packages and their data; everything else about the build is in pyproject.toml.

The folder `training` holds the package that is imported as `instructseq_training`, so the package names are listed here
with that prefix. The ROS package `instructseq` (package.xml, CMakeLists.txt) installs the same modules through ament.
"""

from setuptools import find_packages, setup

LIBRARIES = [
    "instructseq_model",
    "instructseq_ros",
    "instructseq_bench",
    "instructseq_replay",
    "instructseq_speech",
    "instructseq_sim",
    "instructseq_cli",
]
TRAINING = ["instructseq_training", *(f"instructseq_training.{name}" for name in find_packages("training"))]

setup(
    packages=[*(found for name in LIBRARIES for found in find_packages(include=[name, f"{name}.*"])), *TRAINING],
    package_dir={"instructseq_training": "training"},
    package_data={
        "": ["py.typed"],
        "instructseq_model": ["data/**"],
        "instructseq_cli": ["demo/*.j2"],
        "instructseq_replay": ["report/*.j2"],
        "instructseq_ros": ["data/**"],
        "instructseq_training": ["**/*.yaml", "**/*.txt", "**/*.json"],
    },
)
