"""What a type checker finds: each line that is marked, and no other."""

from pathlib import Path

import api_graph

photo = Path("a.jpg")
print(api_graph.annotate(photo, "a dog")[0])  # wrong
len(api_graph.annotate(photo, "a dog"))  # wrong
print(api_graph.annotate(photo, ["a dog"]).image)  # wrong
api_graph.annotate(photo, "a dog", strenght=0.5)  # wrong
api_graph.annotate(photo, "a dog", psi="clsx")  # wrong
api_graph.annotate(images=photo, queries="a dog")  # wrong
api_graph.ask(api_graph.load_lvlm(), photo, "What?")  # wrong
api_graph.ask("demo", photo, "What?")  # wrong
api_graph.clip_attribution(api_graph.load_clip(), photo, "a dog")  # wrong
api_graph.choose_box(api_graph.load_clip(), photo, [(1, 2, 3, 4)], "a dog")  # wrong
api_graph.load_clip(3)  # wrong
print(api_graph.nothing)  # wrong
api_graph.run_graph("api_clip", devices="cpu")  # wrong
api_graph.annotate(photo, "a dog", strength=0.5)
