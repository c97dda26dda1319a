"""What would have been right: masks, boxes, classes and names, from topics of the recording or from a COCO file."""
