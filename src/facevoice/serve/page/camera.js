// Records a clip from the camera, once everyone in view agrees.

const byId = (id) => document.getElementById(id);
let stream = null;
let recorder = null;

const close = () => {
  if (stream) for (const track of stream.getTracks()) track.stop();
  stream = null;
  recorder = null;
  byId("camera").hidden = true;
  byId("preview").hidden = true;
  byId("preview").srcObject = null;
  byId("consent").checked = false;
  byId("begin").disabled = true;
  byId("begin").hidden = false;
  byId("finish").hidden = true;
  byId("record").focus();
};

export const openCamera = (add, say) => {
  if (!navigator.mediaDevices || !window.MediaRecorder) {
    say("This browser gives no page at this address the camera: open it as http://127.0.0.1, or choose a file.");
    return;
  }
  byId("camera").hidden = false;
  byId("consent").focus();
  byId("consent").onchange = (event) => { byId("begin").disabled = !event.target.checked; };
  byId("leave").onclick = () => {
    if (recorder) recorder.onstop = null;
    close();
  };
  byId("begin").onclick = async () => {
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: true, audio: true });
    } catch (error) {
      say(`The camera cannot be used: ${error.message}`);
      return;
    }
    const pieces = [];
    recorder = new MediaRecorder(stream);
    recorder.ondataavailable = (event) => pieces.push(event.data);
    recorder.onstop = () => {
      const kind = recorder.mimeType.split(";")[0];
      const suffix = kind.includes("mp4") ? "mp4" : "webm";
      add(new File(pieces, `recording.${suffix}`, { type: kind }));
      close();
    };
    byId("preview").srcObject = stream;
    byId("preview").hidden = false;
    byId("preview").play();
    recorder.start(1000);
    byId("begin").hidden = true;
    byId("finish").hidden = false;
    byId("finish").focus();
    say("Recording");
  };
  byId("finish").onclick = () => recorder.stop();
};
