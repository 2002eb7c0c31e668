"""`python -m engine`: the engine from the shell."""

from engine.cli.main import main

if __name__ == "__main__":
    main()
