"""The small models that ship with the package, the painter of their training pictures, how they were trained."""
