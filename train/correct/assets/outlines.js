"use strict";
/* Geometry of outlines, as they are stored: ellipses and polygons in pixels of the frame. */

const Outlines = (() => {
  const SMALLEST = 2;

  function turn(ellipse) {
    const angle = (ellipse.angle_deg * Math.PI) / 180;
    return [Math.cos(angle), Math.sin(angle)];
  }

  /* A place on the ellipse's own axes, in pixels of the frame. */
  function at(ellipse, u, v) {
    const [c, s] = turn(ellipse);
    return [ellipse.x + u * c - v * s, ellipse.y + u * s + v * c];
  }

  function center(outline) {
    if (outline.kind === "ellipse") return [outline.x, outline.y];
    return moments(outline.points).center;
  }

  function moved(outline, dx, dy) {
    if (outline.kind === "ellipse") return { ...outline, x: outline.x + dx, y: outline.y + dy };
    return { ...outline, points: outline.points.map(([x, y]) => [x + dx, y + dy]) };
  }

  /* The ellipse after its end `axis`, `sign` was dragged; the opposite end stays, or mirrors it. */
  function stretched(ellipse, axis, sign, dx, dy, mirror) {
    const [c, s] = turn(ellipse);
    const along = axis === "a" ? dx * c + dy * s : dy * c - dx * s;
    const grown = (sign * along) / (mirror ? 1 : 2);
    const half = Math.max(SMALLEST, ellipse[axis] + grown);
    const shift = mirror ? 0 : sign * (half - ellipse[axis]);
    const [x, y] = axis === "a" ? at(ellipse, shift, 0) : at(ellipse, 0, shift);
    return { ...ellipse, x, y, [axis]: half };
  }

  function turned(ellipse, from, to) {
    const angle = (place) => Math.atan2(place[1] - ellipse.y, place[0] - ellipse.x);
    const by = ((angle(to) - angle(from)) * 180) / Math.PI;
    return { ...ellipse, angle_deg: (ellipse.angle_deg + by + 720) % 360 };
  }

  function withPoint(polygon, index, point) {
    return { ...polygon, points: polygon.points.map((old, i) => (i === index ? point : old)) };
  }

  function withoutPoint(polygon, index) {
    if (polygon.points.length <= 3) return polygon;
    return { ...polygon, points: polygon.points.filter((_, i) => i !== index) };
  }

  /* The polygon with a further point on its nearest side, and the point's index. */
  function inserted(polygon, [x, y]) {
    const { points } = polygon;
    let best = 0, least = Infinity;
    points.forEach(([x0, y0], i) => {
      const [x1, y1] = points[(i + 1) % points.length];
      const [dx, dy] = [x1 - x0, y1 - y0];
      const share = Math.max(0, Math.min(1, ((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy || 1)));
      const away = Math.hypot(x0 + share * dx - x, y0 + share * dy - y);
      if (away < least) [best, least] = [i, away];
    });
    return { index: best + 1, polygon: { ...polygon, points: [...points.slice(0, best + 1), [x, y], ...points.slice(best + 1)] } };
  }

  /* Area, center and covariance of a polygon (Green's theorem). */
  function moments(points) {
    const [ox, oy] = points[0];
    let area = 0, mx = 0, my = 0, xx = 0, xy = 0, yy = 0;
    points.forEach(([px, py], i) => {
      const [qx, qy] = points[(i + 1) % points.length];
      const [x0, y0, x1, y1] = [px - ox, py - oy, qx - ox, qy - oy];
      const cross = x0 * y1 - x1 * y0;
      area += cross / 2;
      mx += ((x0 + x1) * cross) / 6;
      my += ((y0 + y1) * cross) / 6;
      xx += ((x0 * x0 + x0 * x1 + x1 * x1) * cross) / 12;
      yy += ((y0 * y0 + y0 * y1 + y1 * y1) * cross) / 12;
      xy += ((x0 * y1 + 2 * x0 * y0 + 2 * x1 * y1 + x1 * y0) * cross) / 24;
    });
    if (Math.abs(area) < 1e-6) return { center: [ox, oy], covariance: [1, 0, 1] };
    const [cx, cy] = [mx / area, my / area];
    return {
      center: [ox + cx, oy + cy],
      covariance: [xx / area - cx * cx, xy / area - cx * cy, yy / area - cy * cy],
    };
  }

  /* The ellipse with the polygon's moments. */
  function toEllipse(outline) {
    if (outline.kind === "ellipse") return outline;
    const { center: [x, y], covariance: [xx, xy, yy] } = moments(outline.points);
    const mean = (xx + yy) / 2, spread = Math.hypot((xx - yy) / 2, xy);
    const half = (variance) => Math.max(SMALLEST, 2 * Math.sqrt(Math.max(variance, 0)));
    const angle = (Math.atan2(2 * xy, xx - yy) * 90) / Math.PI;
    return { kind: "ellipse", x, y, a: half(mean + spread), b: half(mean - spread), angle_deg: (angle + 360) % 360 };
  }

  /* A polygon with corners on the ellipse and its area. */
  function toPolygon(outline, count = 24) {
    if (outline.kind === "polygon") return outline;
    const step = (2 * Math.PI) / count;
    const grown = Math.sqrt(step / Math.sin(step));
    const points = Array.from({ length: count }, (_, i) =>
      at(outline, grown * outline.a * Math.cos(i * step), grown * outline.b * Math.sin(i * step)));
    return { kind: "polygon", points };
  }

  return { at, center, inserted, moved, stretched, toEllipse, toPolygon, turned, withPoint, withoutPoint };
})();
