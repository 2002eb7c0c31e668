"""Parts of the methods that draw: canvas, strokes, cells, palettes, SVG."""
