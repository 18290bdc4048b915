// An upload button, drag and drop, and a player for nodes that read a file from the input folder.
// ComfyUI's own upload widgets take pictures, videos or audio, each for itself; these nodes take
// recordings of both kinds, and motion files.

import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";

const NODES = {
  DreamTalkLoadSpeech: {
    widget: "audio",
    accept: "audio/*,video/*,.m4a,.opus,.mkv",
    label: "choose a recording to upload",
    takes: (file) => /^(audio|video)\//.test(file.type) || /\.(m4a|opus|mkv)$/i.test(file.name),
    player: true,
  },
  DreamTalkLoadMotion: {
    widget: "file",
    accept: ".npz,.npy,.mat,.csv,.jsonl,.json",
    label: "choose a motion file to upload",
    takes: (file) => /\.(npz|npy|mat|csv|jsonl?)$/i.test(file.name),
    player: false,
  },
};

async function upload(file) {
  const body = new FormData();
  body.append("image", file); // the route's name for any kind of file
  const response = await api.fetchApi("/upload/image", { method: "POST", body });
  if (response.status !== 200) {
    throw new Error(`${file.name}: ${response.status} ${response.statusText}`);
  }
  const saved = await response.json();
  return saved.subfolder ? `${saved.subfolder}/${saved.name}` : saved.name;
}

function viewUrl(value) {
  const cut = value.lastIndexOf("/");
  const query = new URLSearchParams({
    filename: value.slice(cut + 1),
    subfolder: cut < 0 ? "" : value.slice(0, cut),
    type: "input",
  });
  return api.apiURL(`/view?${query}`);
}

function addPlayer(node, combo) {
  const element = document.createElement("audio");
  element.controls = true;
  element.preload = "metadata";
  element.style.width = "100%";
  const player = node.addDOMWidget("player", "dreamtalk_audio", element, {
    serialize: false,
    getMinHeight: () => 54,
    getMaxHeight: () => 54,
  });
  player.serialize = false;
  const show = () => {
    if (typeof combo.value === "string" && combo.value) element.src = viewUrl(combo.value);
  };
  const chosen = combo.callback;
  combo.callback = function (...args) {
    chosen?.apply(this, args);
    show();
  };
  const configured = node.onGraphConfigured;
  node.onGraphConfigured = function (...args) {
    configured?.apply(this, args);
    show();
  };
  const removed = node.onRemoved;
  node.onRemoved = function (...args) {
    element.pause();
    element.removeAttribute("src");
    removed?.apply(this, args);
  };
  show();
}

app.registerExtension({
  name: "DreamTalk.Upload",
  // The list of Nodes 2.0 and of the app view, where the button doesn't show, uploads by itself if
  // it is told so. Said here and not by the server: ComfyUI's own extension, which has looked by
  // now, would add a second button that wants a player of its own.
  beforeRegisterNodeDef(nodeType, nodeData) {
    const recording = nodeData.name === "DreamTalkLoadSpeech" && nodeData.input?.required?.audio;
    if (recording) recording[1] = { ...recording[1], audio_upload: true };
  },
  nodeCreated(node) {
    const settings = NODES[node.constructor.comfyClass];
    const combo = settings && node.widgets?.find((w) => w.name === settings.widget);
    if (!combo) return;

    const take = async (file) => {
      try {
        const name = await upload(file);
        if (!combo.options.values.includes(name)) combo.options.values.push(name);
        combo.value = name;
        combo.callback?.(name);
        node.setDirtyCanvas(true, true);
      } catch (error) {
        app.extensionManager?.toast?.add({
          severity: "error",
          summary: "Upload failed",
          detail: String(error.message ?? error),
        });
      }
    };

    const chooser = document.createElement("input");
    chooser.type = "file";
    chooser.accept = settings.accept;
    chooser.onchange = () => {
      if (chooser.files.length) take(chooser.files[0]);
      chooser.value = "";
    };
    const button = node.addWidget("button", "upload", "", () => chooser.click(), {
      serialize: false,
    });
    button.label = settings.label;
    button.serialize = false;

    const files = (event) => [...(event?.dataTransfer?.files ?? [])].filter(settings.takes);
    node.onDragOver = (event) => [...(event?.dataTransfer?.items ?? [])].some((i) => i.kind === "file");
    node.onDragDrop = (event) => {
      const [file] = files(event);
      if (file) take(file);
      return Boolean(file);
    };
    if (settings.player) addPlayer(node, combo);
  },
});
