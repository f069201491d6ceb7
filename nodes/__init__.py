"""The typed nodes: thin functions over the rooms that hold the methods, one file per stage of the pipeline."""

from . import attribution, blend, heatmap, images, models, text

NODES = (
    models.load_clip,
    images.load_image,
    images.save_image,
    images.save_heatmap,
    images.preview_image,
    attribution.encode_image,
    attribution.encode_query,
    attribution.psi_cls,
    attribution.psi_comp,
    attribution.soft_or,
    attribution.normalize_map,
    attribution.mean_filter_tokens,
    attribution.measure,
    heatmap.resize,
    heatmap.mean_filter_pixels,
    heatmap.normalize_heatmap,
    blend.blend,
    blend.heatmap_overlay,
    blend.gather_images,
    blend.sheet,
    text.text,
    text.text_lines,
    text.show_text,
)
