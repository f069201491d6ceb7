"""Moved to `api_graph.bench.readers`; the types of examples and records to `api_graph.tasks`."""

from api_graph.moved import moved

moved(
    __name__,
    "api_graph.bench.readers",
    example="api_graph.tasks.examples",
    hdf5="api_graph.bench.readers.point_clouds",
    modelnet40="api_graph.bench.readers.point_clouds",
    record="api_graph.tasks.record",
    rle="api_graph.bench.readers.imagenet_s",
    scanobjectnn="api_graph.bench.readers.point_clouds",
    voc="api_graph.bench.readers.dogs",
    waterbirds="api_graph.bench.readers.cub",
)
