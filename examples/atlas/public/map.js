/**
 * A map drawn from the cities themselves: no tiles, no outlines. Millions of people live in a dot.
 *
 * The cities are in the order of their size, so that the first ones already show the shape of the world.
 */

const ZOOM_MAX = 60;
const REACH_PX = 14;
/** While cities arrive by the thousand, drawing them all again for each page would take longer than fetching it. */
const ARRIVAL_MS = 300;

/** Miller's cylindrical projection; degrees in, a world of 2π by some 4.6 out. */
function project(longitude, latitude) {
  const radians = (degrees) => (degrees * Math.PI) / 180;
  return [radians(longitude), -1.25 * Math.log(Math.tan(Math.PI / 4 + 0.4 * radians(latitude)))];
}

export class WorldMap {
  constructor(canvas, { onPick, onHover }) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.cities = [];
    this.isShown = () => true;
    this.marks = new Map();
    this.selected = null;
    this.centre = [0, -0.35];
    this.zoom = 1;
    this.watch(onPick, onHover);
  }

  add(cities) {
    for (const city of cities) {
      const [x, y] = project(city.longitude, city.latitude);
      this.cities.push({ ...city, x, y, size: Math.log10(Math.max(city.population, 1000)) - 3 });
    }
    this.arrival ??= setTimeout(() => {
      this.arrival = undefined;
      this.draw();
    }, ARRIVAL_MS);
  }

  /** Which cities stand out; the others are dimmed. */
  emphasise(isShown) {
    this.isShown = isShown ?? (() => true);
    this.draw();
  }

  /** City ids to `BEEN` or `WISH`. */
  mark(marks) {
    this.marks = marks;
    this.draw();
  }

  select(id) {
    this.selected = id;
    this.draw();
  }

  find(id) {
    return this.cities.find((city) => city.id === id);
  }

  flyTo(longitude, latitude, zoom) {
    this.fly(project(longitude, latitude), zoom);
  }

  whole() {
    this.fly([0, -0.35], 1);
  }

  /** So that all of these are seen. */
  fit(cities) {
    if (cities.length === 0) {
      return;
    }
    // A few far-off islands shall not decide.
    const spread = (values) => {
      const sorted = values.sort((one, other) => one - other);
      return [sorted[Math.floor(sorted.length * 0.02)], sorted[Math.ceil(sorted.length * 0.98) - 1]];
    };
    const [left, right] = spread(cities.map((city) => city.x));
    const [top, bottom] = spread(cities.map((city) => city.y));
    const { width, height } = this.canvas.getBoundingClientRect();
    const scale = Math.min((width * 0.8) / Math.max(right - left, 0.02), (height * 0.8) / Math.max(bottom - top, 0.02));
    this.fly([(left + right) / 2, (top + bottom) / 2], Math.min(scale / this.unit(), 24));
  }

  zoomBy(factor) {
    this.fly(this.centre, this.zoom * factor);
  }

  fly(centre, zoom) {
    const [from, began] = [{ centre: this.centre, zoom: this.zoom }, performance.now()];
    const to = Math.min(Math.max(zoom, 0.8), ZOOM_MAX);
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const step = (now) => {
      const part = calm ? 1 : Math.min((now - began) / 450, 1);
      const eased = 1 - (1 - part) ** 3;
      this.zoom = from.zoom * (to / from.zoom) ** eased;
      this.centre = from.centre.map((value, axis) => value + (centre[axis] - value) * eased);
      this.draw();
      if (part < 1) {
        this.flight = requestAnimationFrame(step);
      }
    };
    cancelAnimationFrame(this.flight);
    this.flight = requestAnimationFrame(step);
  }

  /** Pixels of a unit of the projection at zoom 1: the world's width, or its height where that is less. */
  unit() {
    const { width, height } = this.canvas.getBoundingClientRect();
    return Math.min(width / (2 * Math.PI), height / 3.9);
  }

  place({ x, y }) {
    const { width, height } = this.canvas.getBoundingClientRect();
    const scale = this.unit() * this.zoom;
    return [width / 2 + (x - this.centre[0]) * scale, height / 2 + (y - this.centre[1]) * scale];
  }

  /** With the next frame, however often it is asked for. */
  draw() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined;
      this.paint();
    });
  }

  paint() {
    const { canvas, context } = this;
    const { width, height } = canvas.getBoundingClientRect();
    const density = window.devicePixelRatio;
    if (canvas.width !== Math.round(width * density) || canvas.height !== Math.round(height * density)) {
      canvas.width = Math.round(width * density);
      canvas.height = Math.round(height * density);
    }
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`);
    context.setTransform(density, 0, 0, density, 0, 0);
    context.fillStyle = colour("sea");
    context.fillRect(0, 0, width, height);
    this.paintGrid(colour("grid"), width, height);
    for (const emphasis of [false, true]) {
      context.fillStyle = colour(emphasis ? "dot" : "dim");
      this.paintDots(emphasis, width, height);
    }
    context.globalAlpha = 1;
    for (const city of this.cities) {
      const plan = this.marks.get(city.id);
      if (plan || city.id === this.selected) {
        this.paintRing(city, colour(city.id === this.selected ? "glow" : plan.toLowerCase()));
      }
    }
  }

  paintDots(emphasis, width, height) {
    const { context } = this;
    const scale = this.unit() * this.zoom;
    const [left, top] = [width / 2 - this.centre[0] * scale, height / 2 - this.centre[1] * scale];
    const grown = Math.min(1 + Math.log2(Math.max(this.zoom, 1)) * 0.45, 3);
    for (const city of this.cities) {
      const [x, y] = [left + city.x * scale, top + city.y * scale];
      if (x < -9 || y < -9 || x > width + 9 || y > height + 9 || this.isShown(city) !== emphasis) {
        continue;
      }
      const radius = (0.3 + 0.42 * city.size) * grown * (emphasis ? 1 : 0.8);
      context.globalAlpha = Math.min(0.2 + city.size * 0.22, 0.95);
      if (radius < 1.1) {
        context.fillRect(x - radius, y - radius, 2 * radius, 2 * radius);
      } else {
        context.beginPath();
        context.arc(x, y, radius, 0, 2 * Math.PI);
        context.fill();
      }
    }
  }

  paintRing(city, colour) {
    const [x, y] = this.place(city);
    this.context.strokeStyle = colour;
    this.context.lineWidth = 2;
    this.context.beginPath();
    this.context.arc(x, y, 7, 0, 2 * Math.PI);
    this.context.stroke();
  }

  paintGrid(colour, width, height) {
    const { context } = this;
    context.strokeStyle = colour;
    context.lineWidth = 1;
    context.beginPath();
    for (let degrees = -180; degrees <= 180; degrees += 30) {
      const [x] = this.place({ x: project(degrees, 0)[0], y: 0 });
      context.moveTo(x, 0);
      context.lineTo(x, height);
      if (Math.abs(degrees) <= 60) {
        const [, y] = this.place({ x: 0, y: project(0, degrees)[1] });
        context.moveTo(0, y);
        context.lineTo(width, y);
      }
    }
    context.stroke();
  }

  /** The city under the pointer: of those within reach the largest that stands out. */
  at(px, py) {
    return this.cities.find((city) => {
      const [x, y] = this.place(city);
      return this.isShown(city) && Math.hypot(x - px, y - py) < REACH_PX;
    });
  }

  watch(onPick, onHover) {
    const { canvas } = this;
    let drag = null;
    const position = (event) => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    canvas.addEventListener("pointerdown", (event) => {
      drag = { from: position(event), centre: this.centre, moved: false };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      const [x, y] = position(event);
      if (!drag) {
        const city = this.at(x, y);
        onHover(city, x, y);
        return;
      }
      const scale = this.unit() * this.zoom;
      drag.moved ||= Math.hypot(x - drag.from[0], y - drag.from[1]) > 4;
      this.centre = [drag.centre[0] - (x - drag.from[0]) / scale, drag.centre[1] - (y - drag.from[1]) / scale];
      this.draw();
    });
    canvas.addEventListener("pointerup", (event) => {
      if (drag && !drag.moved) {
        const city = this.at(...position(event));
        if (city) {
          onPick(city);
        }
      }
      drag = null;
    });
    canvas.addEventListener("pointerleave", () => onHover(null));
    canvas.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        const [x, y] = position(event);
        const { width, height } = canvas.getBoundingClientRect();
        const before = this.unit() * this.zoom;
        this.zoom = Math.min(Math.max(this.zoom * Math.exp(-event.deltaY * 0.0016), 0.8), ZOOM_MAX);
        const after = this.unit() * this.zoom;
        // What is under the pointer stays there.
        const offset = [x - width / 2, y - height / 2];
        this.centre = this.centre.map((value, axis) => value + offset[axis] / before - offset[axis] / after);
        this.draw();
      },
      { passive: false },
    );
    canvas.addEventListener("keydown", (event) => {
      const step = 0.25 / this.zoom;
      const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
      if (moves[event.key]) {
        event.preventDefault();
        this.centre = this.centre.map((value, axis) => value + moves[event.key][axis]);
        this.draw();
      } else if (event.key === "+" || event.key === "-") {
        this.zoomBy(event.key === "+" ? 1.6 : 1 / 1.6);
      }
    });
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }
}
