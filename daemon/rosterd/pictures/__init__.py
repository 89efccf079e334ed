"""Records as one application gets them, in one version.

A view says which records leave; a picture says what they look like: no reference to what is not
shared, no hidden member, nothing withheld, masks in place. Filters, sorts, counts and relation
endpoints all ask the picture and never the roster, so that no question can tell more than the
answer shows: withheld is not there, masked is its mask, pruned is absent.
"""

from rosterd.pictures.leaving import Departed, Departure, Held
from rosterd.pictures.picturing import Picture
from rosterd.pictures.rendered import Rendered

__all__ = ["Departed", "Departure", "Held", "Picture", "Rendered"]
