"""The small models that ship with the package, the painter that draws their training pictures, how they were trained."""
