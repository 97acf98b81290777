"""``python -m filterkit``"""

from filterkit.cli import main

if __name__ == "__main__":
    main()
