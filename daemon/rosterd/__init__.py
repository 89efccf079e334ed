"""rosterd serves school rosters to vendors, each its share, as a reviewed git repository says."""

__version__ = "0.1.0"
