/* How the saved files of tests/editor/saved are made: each recipe wires one graph in the frontend that runs it.
 *
 * A recipe starts from an empty canvas. Nodes, links and commands are the frontend's own; nothing is written by hand.
 */
(() => {
  const graph = () => app.canvas.graph;
  const run = (command) => app.extensionManager.command.execute(command);
  const widget = (node, name) => {
    // 1.35.9 calls a widget from inside a subgraph "8: name".
    const found = node.widgets?.find((widget) => widget.name.replace(/^\d+: /, "") === name);
    if (!found) throw new Error(`${node.type} has no widget ${name}: ${node.widgets?.map((w) => w.name)}`);
    return found;
  };

  function set(node, values) {
    for (const [name, value] of Object.entries(values)) {
      const found = widget(node, name);
      found.value = value;
      found.callback?.(value, app.canvas, node, node.pos);
    }
    return node;
  }

  function make(type, column, row, values = {}, title = null) {
    const node = LiteGraph.createNode(type);
    if (!node) throw new Error(`no node ${type}`);
    node.pos = [60 + column * 330, 80 + row * 300];
    graph().add(node);
    if (title) node.title = title;
    return set(node, values);
  }

  const index = (slots, name) => {
    const found = slots.findIndex((slot) => slot.name === name);
    if (found < 0) throw new Error(`no slot ${name} in ${slots.map((slot) => slot.name)}`);
    return found;
  };

  function link(from, output, to, input) {
    const made = from.connect(index(from.outputs, output), to, index(to.inputs, input));
    if (!made) throw new Error(`${from.type}.${output} does not connect to ${to.type}.${input}`);
    return made;
  }

  async function select(...items) {
    app.canvas.deselectAll();
    app.canvas.selectItems(items);
    await new Promise((done) => setTimeout(done, 50));
  }

  const muted = async (...nodes) => (await select(...nodes), run("Comfy.Canvas.ToggleSelectedNodes.Mute"));
  const bypassed = async (...nodes) => (await select(...nodes), run("Comfy.Canvas.ToggleSelectedNodes.Bypass"));

  async function subgraphOf(title, ...nodes) {
    const known = new Set(graph().nodes.map((node) => node.id));
    await select(...nodes);
    await run("Comfy.Graph.ConvertToSubgraph");
    const made = graph().nodes.find((node) => !known.has(node.id) && node.isSubgraphNode?.());
    if (!made) throw new Error("nothing was converted to a subgraph");
    made.title = title;
    return made;
  }

  /** The picture, the question, and where the question points: nodes by name. */
  function heatmap() {
    const nodes = {
      image: make("APLoadImage", 0, 0, { image: "example.png" }, "image"),
      clip: make("APLoadCLIP", 0, 1.2),
      query: make("APEncodeQuery", 1, 1.2, { query: "the orange star" }, "query"),
      tokens: make("APEncodeImage", 1, 0),
      map: make("APPsiCls", 2, 0),
      normal: make("APNormalize", 2, 1),
      resize: make("APResize", 3, 0),
    };
    link(nodes.clip, "clip", nodes.tokens, "model");
    link(nodes.image, "image", nodes.tokens, "image");
    link(nodes.clip, "clip", nodes.query, "model");
    link(nodes.tokens, "image_tokens", nodes.map, "tokens");
    link(nodes.query, "query", nodes.map, "query");
    link(nodes.map, "attribution", nodes.normal, "attribution");
    link(nodes.normal, "attribution", nodes.resize, "attribution");
    return nodes;
  }

  /** The same with a mean filter, the blend, and the file that is saved. */
  function annotated() {
    const nodes = heatmap();
    nodes.filter = make("APMeanFilter", 3, 1, { kernel_size: 9 });
    nodes.blend = make("APAlphaBlend", 4, 0, { strength: 0.8 });
    nodes.save = make("APSaveImage", 5, 0, { filename_prefix: "saved/annotated" }, "Annotated image");
    link(nodes.resize, "mask", nodes.filter, "heatmap");
    link(nodes.image, "image", nodes.blend, "image");
    link(nodes.filter, "mask", nodes.blend, "heatmap");
    link(nodes.blend, "image", nodes.save, "images");
    return nodes;
  }

  const recipes = {
    plain: () => annotated(),

    /** Notes, a group, a colour, a collapsed and a pinned node: nothing of it may reach the prompt. */
    cosmetics() {
      const { image, clip, blend } = annotated();
      make("Note", 0, 2.2).widgets[0].value = "The orange star is at the left.";
      make("MarkdownNote", 1, 2.2).widgets[0].value = "# Ψ\n\n*cls* alone.";
      const group = new LiteGraph.LGraphGroup("Where the question points");
      graph().add(group);
      group.recomputeInsideNodes?.();
      group.resizeTo?.([image, clip], 20);
      clip.collapse(true);
      image.color = "#232";
      image.bgcolor = "#353";
      blend.flags.pinned = true;
    },

    /** Two native reroutes on one link, which another link shares: cosmetic. */
    reroute() {
      const { image, blend } = annotated();
      const overlay = make("APOverlay", 4, 1.4);
      const kept = make("APSaveImage", 5, 1.4, { filename_prefix: "saved/overlay" });
      const filter = graph().findNodesByType("APMeanFilter")[0];
      const shared = link(image, "image", overlay, "image");
      link(filter, "mask", overlay, "heatmap");
      link(overlay, "image", kept, "images");
      const first = graph().createReroute([400, 640], shared);
      graph().createReroute([900, 660], graph().links.get(shared.id));
      const blended = blend.inputs.find((slot) => slot.name === "image").link;
      graph().createReroute([1200, 40], graph().links.get(blended));
      if (!first || graph().reroutes.size !== 3) throw new Error(`${graph().reroutes.size} reroutes`);
    },

    /** The old Reroute node, twice in a row. */
    reroute_node() {
      const { image, blend } = annotated();
      const [one, two] = [make("Reroute", 1, 2.4), make("Reroute", 2, 2.4)];
      image.connect(0, one, 0);
      one.connect(0, two, 0);
      two.connect(0, blend, index(blend.inputs, "image"));
    },

    /** A filter of one input and a blend of several: the bypassed blend hands on its image. */
    async bypass() {
      const { image, filter, save, blend } = annotated();
      const overlay = make("APOverlay", 4, 1.4);
      link(image, "image", overlay, "image");
      link(filter, "mask", overlay, "heatmap");
      link(overlay, "image", save, "images");
      const plain = make("APSaveImage", 5, 1.4, { filename_prefix: "saved/bypassed" });
      link(blend, "image", plain, "images");
      await bypassed(filter, blend);
    },

    /** A muted end, and a muted node whose link is dropped: the contact sheet has one picture less. */
    async mute() {
      const { image, filter, blend, save } = annotated();
      const overlay = make("APOverlay", 4, 1.4);
      const pictures = make("APGatherImages", 5, 1.4);
      const sheet = make("APContactSheet", 6, 1.4, { columns: 3, cell: 64 });
      const kept = make("APSaveImage", 7, 1.4, { filename_prefix: "saved/sheet" });
      link(image, "image", overlay, "image");
      link(filter, "mask", overlay, "heatmap");
      link(image, "image", pictures, "first");
      link(overlay, "image", pictures, "second");
      link(blend, "image", pictures, "third");
      link(pictures, "image", sheet, "images");
      link(sheet, "image", kept, "images");
      await muted(overlay, save);
    },

    /** One primitive for two kernels, one for a combo, and a multiline question from a text node. */
    primitive() {
      const { resize, blend, query, filter } = annotated();
      const second = make("APMeanFilter", 4, 1.4);
      const kernel = make("PrimitiveNode", 2, 2.2);
      kernel.connect(0, filter, index(filter.inputs, "kernel_size"));
      kernel.connect(0, second, index(second.inputs, "kernel_size"));
      set(kernel, { kernel_size: 21 });
      link(filter, "mask", second, "heatmap");
      link(second, "mask", blend, "heatmap");
      const way = make("PrimitiveNode", 3, 2.2);
      way.connect(0, resize, index(resize.inputs, "interpolation"));
      set(way, { interpolation: "bilinear" });
      const text = make("APText", 0, 2.2, { text: "the yellow ring" }, "question");
      text.connect(0, query, index(query.inputs, "query"));
    },

    /** ComfyUI's own nodes for pictures, masks and numbers. */
    core_nodes() {
      const { resize } = heatmap();
      const picture = make("LoadImage", 3, 1.2, { image: "example.png" });
      const inverted = make("InvertMask", 4, 0);
      const strength = make("PrimitiveFloat", 3, 2.4, { value: 0.6 });
      const blend = make("APAlphaBlend", 5, 0);
      const save = make("SaveImage", 6, 0, { filename_prefix: "saved/core" });
      const mask = make("MaskPreview", 5, 2);
      link(resize, "mask", inverted, "mask");
      inverted.connect(0, mask, 0);
      inverted.connect(0, blend, index(blend.inputs, "heatmap"));
      picture.connect(0, blend, index(blend.inputs, "image"));
      strength.connect(0, blend, index(blend.inputs, "strength"));
      blend.connect(0, save, 0);
    },

    /** A seed with its control widget, and texts of several lines. */
    seed() {
      const image = make("APLoadImage", 0, 0, { image: "example.png" }, "image");
      const model = make("APLoadLVLM", 0, 1.2, { model: "demo" });
      const ask = make("APQueryLVLM", 1, 0, { question: "What colour\nis the ring?", seed: 7, max_tokens: 8 });
      set(ask, { control_after_generate: "increment" });
      const shown = make("APShowText", 2, 0, {}, "Answer");
      link(image, "image", ask, "image");
      model.connect(0, ask, index(ask.inputs, "model"));
      ask.connect(0, shown, 0);
    },

    /** The steps from tokens to pixels in a subgraph. */
    async subgraph() {
      const { map, normal, resize } = annotated();
      await subgraphOf("Map", map, normal, resize);
    },

    /** Kernel and strength set from outside: inputs of the subgraph that are widgets of its instance. */
    async subgraph_widgets() {
      const { filter, blend } = annotated();
      const box = await subgraphOf("Blend", filter, blend);
      const inner = box.subgraph;
      for (const [type, name] of [["APMeanFilter", "kernel_size"], ["APAlphaBlend", "strength"]]) {
        const node = inner.nodes.find((node) => node.type === type);
        const made = inner.addInput(name, type === "APMeanFilter" ? "INT" : "FLOAT");
        made.connect(node.inputs[index(node.inputs, name)], node);
      }
      await new Promise((done) => setTimeout(done, 100));
      set(box, { kernel_size: 31, strength: 0.5 });
    },

    /** Widgets inside that the subgraph shows outside, as the command under the mouse does it. */
    async subgraph_promoted() {
      const { filter, blend } = annotated();
      const box = await subgraphOf("Blend", filter, blend);
      app.canvas.openSubgraph(box.subgraph, box);
      await new Promise((done) => setTimeout(done, 300));
      await run("Comfy.Canvas.FitView");
      await new Promise((done) => setTimeout(done, 700));
      for (const [type, name] of [["APMeanFilter", "kernel_size"], ["APAlphaBlend", "strength"]]) {
        const node = graph().findNodesByType(type)[0];
        const { y } = widget(node, name);
        app.canvas.graph_mouse = [node.pos[0] + node.size[0] / 2, node.pos[1] + y + 8];
        await run("Comfy.Graph.ToggleWidgetPromotion");
      }
      await run("Comfy.Graph.ExitSubgraph");
      await new Promise((done) => setTimeout(done, 300));
      set(box, { kernel_size: 27, strength: 0.4 });
    },

    /** A muted subgraph with an end of its own: nothing in it runs. */
    async subgraph_muted() {
      const { image, filter } = annotated();
      const overlay = make("APOverlay", 4, 1.4);
      const kept = make("APSaveImage", 5, 1.4, { filename_prefix: "saved/muted" });
      link(image, "image", overlay, "image");
      link(filter, "mask", overlay, "heatmap");
      link(overlay, "image", kept, "images");
      await muted(await subgraphOf("Overlay", overlay, kept));
    },

    /** A subgraph in a subgraph; inside, one node is bypassed. */
    async subgraph_nested() {
      const { map, normal, resize, filter } = annotated();
      const inner = await subgraphOf("Inner", normal, resize);
      const outer = await subgraphOf("Outer", map, inner, filter);
      outer.subgraph.nodes.find((node) => node.type === "APMeanFilter").mode = 4;
    },

    /** Two instances of one subgraph, with different values, and a third that is bypassed. */
    async subgraph_twice() {
      const { image, filter, blend, save } = annotated();
      const box = await subgraphOf("Smooth", filter);
      const inner = box.subgraph;
      const kernel = inner.nodes[0];
      inner.addInput("kernel_size", "INT").connect(kernel.inputs[index(kernel.inputs, "kernel_size")], kernel);
      await new Promise((done) => setTimeout(done, 100));
      const again = (column, row) => {
        const twin = LiteGraph.createNode(inner.id);
        twin.pos = [60 + column * 330, 80 + row * 300];
        graph().add(twin);
        return twin;
      };
      const [second, third] = [again(4, 1.4), again(5, 1.4)];
      box.connect(0, second, 0);
      second.connect(0, third, 0);
      third.connect(0, blend, index(blend.inputs, "heatmap"));
      await new Promise((done) => setTimeout(done, 100));
      set(box, { kernel_size: 5 });
      set(second, { kernel_size: 17 });
      set(third, { kernel_size: 99 });
      third.mode = 4; // 1.35.9's command would bypass what is inside too, which the other instances share
    },
  };

  window.makeSaved = async (name) => {
    await recipes[name]();
    await new Promise((done) => setTimeout(done, 100));
  };
  window.savedNames = Object.keys(recipes);
})();
