"""Everything that makes pictures: methods, upscalers, guidance, and the small models that ship with the package."""
