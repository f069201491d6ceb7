/* What the tests ask of the frontend's page, put there once it is ready. */
(() => {
  const api = window.comfyAPI.api.api;
  const kinds = [
    "execution_start", "execution_cached", "executing", "executed", "progress",
    "execution_success", "execution_error", "execution_interrupted",
  ];
  const heard = {}; // by prompt
  let current = "";
  for (const kind of kinds)
    api.addEventListener(kind, ({ detail }) => {
      current = detail?.prompt_id ?? current;
      (heard[current] ??= []).push([kind, detail]);
    });

  const node = (id) => {
    const found = app.canvas.graph.getNodeById(id) ?? app.canvas.graph.nodes.find((node) => String(node.id) === id);
    if (!found) throw new Error(`no node ${id}`);
    return found;
  };

  /** Where a slot lies in the window: on the canvas, or, with Vue nodes, its dot in the page. */
  function slotPlace(id, side, name) {
    const slots = node(id)[side === "in" ? "inputs" : "outputs"];
    const index = slots.findIndex((slot) => slot.name === name);
    if (index < 0) throw new Error(`node ${id} has no ${side} ${name}: ${slots.map((slot) => slot.name)}`);
    const dot = document.querySelector(`[data-slot-key="${id}-${side}-${index}"]`);
    if (dot) {
      const { x, y, width, height } = dot.getBoundingClientRect();
      return [x + width / 2, y + height / 2];
    }
    const place = side === "in" ? node(id).getInputPos(index) : node(id).getOutputPos(index);
    return [...app.canvasPosToClientPos([place[0], place[1]])];
  }

  function setWidget(id, name, value) {
    const owner = node(id);
    const widget = owner.widgets?.find((widget) => widget.name === name);
    if (!widget) throw new Error(`node ${id} has no widget ${name}`);
    widget.value = value;
    widget.callback?.(value, app.canvas, owner, owner.pos);
    app.graph.setDirtyCanvas(true, true);
  }

  function dropFile(name, type, base64) {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const data = new DataTransfer();
    data.items.add(new File([bytes], name, { type }));
    const canvas = app.canvas.canvas;
    const { x, y, width, height } = canvas.getBoundingClientRect();
    const where = { clientX: x + width * 0.6, clientY: y + height * 0.95, bubbles: true, cancelable: true };
    for (const kind of ["dragenter", "dragover", "drop"])
      canvas.dispatchEvent(new DragEvent(kind, { ...where, dataTransfer: data }));
  }

  function put(type, x, y) {
    const made = LiteGraph.createNode(type);
    made.pos = [...app.clientPosToCanvasPos([x, y])];
    app.canvas.graph.add(made);
    return String(made.id);
  }

  window.testing = {
    put,
    heard: (id) => heard[id] ?? [],
    slotPlace,
    setWidget,
    dropFile,
    nodes: () =>
      app.canvas.graph.nodes.map((node) => ({
        id: String(node.id),
        type: node.type,
        title: node.title,
        red: !!node.has_errors || String(app.lastExecutionError?.node_id) === String(node.id),
        images: [...(node.imgs ?? []), ...document.querySelectorAll(`[data-node-id="${node.id}"] img`)].map(
          (image) => image.src,
        ),
      })),
    outputs: () => JSON.parse(JSON.stringify(app.nodeOutputs ?? {})),
    prompt: async () => {
      const { workflow, output } = await app.graphToPrompt();
      return { workflow, output };
    },
    /** A new, empty tab, and no other. */
    empty: async () => {
      const nothing = { last_node_id: 0, last_link_id: 0, nodes: [], links: [], groups: [], config: {}, version: 0.4 };
      await app.loadGraphData({ ...nothing, extra: { ds: { scale: 0.6, offset: [0, 0] } } });
      const tabs = app.extensionManager.workflow;
      for (const tab of [...tabs.openWorkflows]) if (tab.path !== tabs.activeWorkflow.path) await tabs.closeWorkflow(tab);
    },
    view: () => [app.canvas.ds.scale, ...app.canvas.ds.offset],
    active: () => app.extensionManager.workflow.activeWorkflow,
    tab: () => app.extensionManager.workflow.activeWorkflow?.path,
  };
})();
