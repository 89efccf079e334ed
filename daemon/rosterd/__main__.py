"""`python -m rosterd` is the same program as the `rosterd` script."""

from rosterd import cli

if __name__ == "__main__":
    cli.main()
