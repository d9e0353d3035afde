"use strict";

// Unpacks the images of the viewer; how they are packed is told in images.py.
window.viewerPlanes = (() => {
  const inflate = async (bytes) => {
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  };

  // Two running sums undo the mixed second difference: along the row, then onto the row above.
  const integrate = (raw, rows, cols) => {
    const size = rows * cols;
    const hu = new Int16Array(size);
    for (let row = 0; row < rows; row += 1) {
      let sum = 0;
      for (let col = 0; col < cols; col += 1) {
        const place = row * cols + col;
        const word = raw[place] | (raw[size + place] << 8);
        sum += word & 1 ? -((word + 1) >> 1) : word >> 1;
        hu[place] = sum + (row ? hu[place - cols] : 0);
      }
    }
    return hu;
  };

  const unpack = async (packed, rows, cols) => {
    const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
    return integrate(await inflate(bytes), rows, cols);
  };

  const known = new Map();
  return {
    supported: typeof DecompressionStream === "function",
    // HU of the image whose packed text stands in the page under this id, row by row.
    load(id, rows, cols) {
      if (!known.has(id)) known.set(id, unpack(document.getElementById(id).textContent, rows, cols));
      return known.get(id);
    },
  };
})();
