// The parts of D3 that the page draws with; the bundle offers them as the global `d3`.
export { axisBottom, axisLeft } from "d3-axis";
export { hierarchy, treemap, treemapSquarify } from "d3-hierarchy";
export { scaleBand, scaleLinear } from "d3-scale";
export { create, select } from "d3-selection";
export { area, line, stack } from "d3-shape";
