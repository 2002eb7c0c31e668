"""Parts of the methods that draw: canvas, colour grids, strokes, cells, palettes, SVG."""
