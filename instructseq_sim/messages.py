"""What the simulated camera sees as ROS messages, truth included."""

from __future__ import annotations

import array
import io
import json
import math

from geometry_msgs.msg import Point
from PIL import Image
from sensor_msgs.msg import CameraInfo, CompressedImage
from sensor_msgs.msg import Image as ImageMessage
from std_msgs.msg import Header, String
from vision_msgs.msg import Detection2D, Detection2DArray, LabelInfo, ObjectHypothesisWithPose, VisionClass

from instructseq_ros.image_conversion import image_fields
from instructseq_sim.live_scene import View
from instructseq_training.scenes.labels import household_ids
from instructseq_training.scenes.scene import SceneObject

JPEG_QUALITY = 90


def image_message(view: View, header: Header) -> ImageMessage:
    """The picture, rgb8."""
    return ImageMessage(header=header, **image_fields(view.frame.rgb, "rgb8"))


def compressed_message(view: View, header: Header) -> CompressedImage:
    """The picture as JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(view.frame.rgb).save(buffer, "jpeg", quality=JPEG_QUALITY)
    return CompressedImage(header=header, format="jpeg", data=array.array("B", buffer.getvalue()))


def instances_message(view: View, header: Header) -> ImageMessage:
    """Which object each pixel belongs to, mono8: 0 for none, else the index that detections have as id."""
    return ImageMessage(header=header, **image_fields(view.frame.instances, "mono8"))


def classes_message(view: View, header: Header) -> ImageMessage:
    """Class of each pixel in the household label set, 8UC1, as the node's semantic masks."""
    return ImageMessage(header=header, **image_fields(view.frame.classes, "8UC1"))


def camera_info_message(view: View, header: Header) -> CameraInfo:
    """A pinhole without distortion, its axis through the middle of the picture."""
    height, width = view.frame.rgb.shape[:2]
    focal = height / 2 / math.tan(math.radians(view.vertical_field) / 2)
    x, y = width / 2, height / 2
    message = CameraInfo(header=header, width=width, height=height, distortion_model="plumb_bob")
    message.d = [0.0] * 5
    message.k = [focal, 0.0, x, 0.0, focal, y, 0.0, 0.0, 1.0]
    message.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    message.p = [focal, 0.0, x, 0.0, 0.0, focal, y, 0.0, 0.0, 0.0, 1.0, 0.0]
    return message


def detections_message(view: View, header: Header) -> Detection2DArray:
    """The visible objects: boxes in pixels, the spoken name as class id, the index in the instance map as id."""
    return Detection2DArray(header=header, detections=[_detection(found, header) for found in view.frame.objects])


def _detection(found: SceneObject, header: Header) -> Detection2D:
    x1, y1, x2, y2 = found.box
    detection = Detection2D(header=header, id=str(found.index))
    detection.bbox.center.position.x = (x1 + x2) / 2
    detection.bbox.center.position.y = (y1 + y2) / 2
    detection.bbox.size_x, detection.bbox.size_y = float(x2 - x1), float(y2 - y1)
    result = ObjectHypothesisWithPose()
    result.hypothesis.class_id, result.hypothesis.score = found.name, 1.0
    x, y, z = found.position
    result.pose.pose.position = Point(x=x, y=y, z=z)
    detection.results = [result]
    return detection


def scene_message(view: View) -> String:
    """All that is known of the objects, as JSON; the keys are those of rendered shards."""
    content = {"place": view.frame.place, "objects": [found.as_json() for found in view.frame.objects]}
    return String(data=json.dumps(content, separators=(",", ":")))


def label_info_message(header: Header) -> LabelInfo:
    """Names of the class ids."""
    classes = [VisionClass(class_id=number, class_name=name) for name, number in household_ids().items()]
    return LabelInfo(header=header, class_map=classes)
