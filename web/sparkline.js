// A line of the last minute, on a canvas: all that a connection's card needs, in a fortieth of a chart library's bytes.

const POINTS = 60;

export class Sparkline {
  /** @param {string[]} series names of CSS custom properties, the lines' colours */
  constructor(canvas, series) {
    this.canvas = canvas;
    this.series = series.map((colour) => ({ colour, values: [] }));
  }

  /** One value for each line. */
  add(...values) {
    values.forEach((value, i) => {
      const line = this.series[i].values;
      line.push(Number.isFinite(value) ? value : 0);
      if (line.length > POINTS) line.shift();
    });
    this.draw();
  }

  draw() {
    const { canvas } = this;
    const scale = window.devicePixelRatio || 1;
    const width = canvas.clientWidth;
    const height = canvas.clientHeight;
    if (width === 0) return;
    if (canvas.width !== Math.round(width * scale)) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
    }
    const context = canvas.getContext('2d');
    const style = getComputedStyle(canvas);
    const top = Math.max(1, ...this.series.flatMap(({ values }) => values)) * 1.1;
    const x = (i, count) => width - (count - 1 - i) * (width / (POINTS - 1));
    const y = (value) => height - 1.5 - (value / top) * (height - 3);
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    for (const { colour, values } of this.series) {
      if (values.length < 2) continue;
      const path = new Path2D();
      values.forEach((value, i) => path.lineTo(x(i, values.length), y(value)));
      context.strokeStyle = style.getPropertyValue(colour);
      context.lineWidth = 1.5;
      context.lineJoin = 'round';
      context.stroke(path);
      path.lineTo(x(values.length - 1, values.length), height);
      path.lineTo(x(0, values.length), height);
      context.globalAlpha = 0.12;
      context.fillStyle = context.strokeStyle;
      context.fill(path);
      context.globalAlpha = 1;
    }
  }
}
