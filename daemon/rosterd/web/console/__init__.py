"""The operators' pages: what is served to whom, why, and what waits for whose statement.

They show, explain and prepare; a commit changes. So they need no script, and the policy sent with
them allows none. A page is a row of a table: its path, its template, who may ask for it, and a
function from what was asked to what the template shows. All of them ask the one desk that the
commands ask too.

    serving       the listener: sessions, forms, refusals, and the operators' JSON
    pages         what a page is
    wording       numbers, times and states as people read them
    one module a subject: applications, dossiers, writing, adding, finding, rosters, histories, standing
"""

from rosterd.web.console.serving import COOKIE, Console
from rosterd.web.console.standing import headline

__all__ = ["COOKIE", "Console", "headline"]
