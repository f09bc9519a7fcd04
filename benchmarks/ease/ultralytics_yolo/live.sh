yolo segment predict model="$3" source="$1" project="$2" imgsz=256,416 show_boxes=False verbose=False
