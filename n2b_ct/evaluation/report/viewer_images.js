"use strict";

// Grey images on canvases: how HU become grey, where an image lies at a zoom, and the cross under the pointer.
window.viewerImages = (() => {
  // Grey levels of HU between lower and upper, on a canvas of the image's own size.
  const paint = (hu, { rows, cols }, lower, upper) => {
    const canvas = new OffscreenCanvas(cols, rows);
    const image = new ImageData(cols, rows);
    const words = new Uint32Array(image.data.buffer);
    const scale = 255 / (upper - lower);
    for (let k = 0; k < hu.length; k += 1) {
      const grey = Math.min(255, Math.max(0, Math.round((hu[k] - lower) * scale)));
      words[k] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  };

  // In device pixels: the whole image at zoom 1; centre is the part of the image that lies in the middle.
  const placeOn = (canvas, { rows, cols }, zoom, centre) => {
    const scale = Math.min(canvas.width / cols, canvas.height / rows) * zoom;
    const [left, top] = [canvas.width / 2 - centre[0] * cols * scale, canvas.height / 2 - centre[1] * rows * scale];
    return { scale, left, top };
  };

  const drawCross = (context, place, [col, row]) => {
    const { width } = context.canvas;
    const [x, y] = [place.left + (col + 0.5) * place.scale, place.top + (row + 0.5) * place.scale];
    const [gap, arm] = [width / 60, width / 22];
    context.strokeStyle = "#ffd24a";
    context.lineWidth = Math.max(1, window.devicePixelRatio);
    context.beginPath();
    [[1, 0], [-1, 0], [0, 1], [0, -1]].forEach(([dx, dy]) => {
      context.moveTo(x + gap * dx, y + gap * dy);
      context.lineTo(x + arm * dx, y + arm * dy);
    });
    context.stroke();
  };

  return { paint, placeOn, drawCross };
})();
