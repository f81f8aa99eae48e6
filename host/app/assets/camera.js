// A photograph from the camera, where the browser has one; else the phone's own camera.

import { say } from "./dom.js";

/** Wires the camera button; `add` gets the picture as a file. */
export function setUp(add) {
  const dialog = document.getElementById("camera-dialog");
  const video = document.getElementById("camera-video");
  const error = document.getElementById("camera-error");
  const fallback = document.getElementById("camera-file");
  let stream = null;

  const stop = () => {
    stream?.getTracks().forEach((track) => track.stop());
    stream = null;
    video.srcObject = null;
  };

  document.getElementById("camera").addEventListener("click", async () => {
    if (!navigator.mediaDevices?.getUserMedia) {
      fallback.click();
      return;
    }
    error.textContent = "";
    dialog.showModal();
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1920 } }, audio: false });
      if (!dialog.open) return stop();
      video.srcObject = stream;
      await video.play();
    } catch {
      error.textContent = "No camera could be used. Allow it in the browser, or choose a file.";
    }
  });
  document.getElementById("camera-take").addEventListener("click", () => {
    if (!video.videoWidth) return;
    const canvas = document.createElement("canvas");
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext("2d").drawImage(video, 0, 0);
    canvas.toBlob((blob) => {
      dialog.close();
      add([new File([blob], `photograph-${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}.png`, { type: "image/png" })]);
      say("Picture taken");
    }, "image/png");
  });
  document.getElementById("camera-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", stop);
  fallback.addEventListener("change", () => {
    add([...fallback.files]);
    fallback.value = "";
  });
}
