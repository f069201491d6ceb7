"""Which heads of an LVLM look where they are asked to: found over items, kept in a file, chosen for steering and maps.

* `items`: a picture, a question and the boxes that it is about: rendered scenes, a table, or what a caller gives.
* `find.find_heads` runs each item through the model once and measures every head.
* `profile.HeadProfile` holds the measures and how they were made. It chooses heads, and refuses another model.
* `report` sets the chosen heads beside others by chance and beside all.

`Steering.heads` and `attribute(heads=...)` take a profile.
"""
