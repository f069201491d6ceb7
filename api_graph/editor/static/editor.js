// The editor opens with a graph of this pack, where ComfyUI's own would open with one whose nodes are not here.
import { app } from "../../scripts/app.js";

const PACK = "API Graph";
const FIRST = "API with CLIP - Psi cls alone";

async function firstGraph() {
  const answer = await fetch(`api/workflow_templates/${encodeURIComponent(PACK)}/${encodeURIComponent(FIRST)}.json`);
  return answer.ok ? answer.json() : undefined;
}

app.registerExtension({
  name: "ApiGraph.Editor",
  setup() {
    const load = app.loadGraphData;
    app.loadGraphData = async function (graph, ...rest) {
      if (graph) return load.call(this, graph, ...rest);
      const loaded = await load.call(this, await firstGraph(), true, true, FIRST);
      await app.extensionManager.command.execute("Comfy.Canvas.FitView");
      return loaded;
    };
  },
});
