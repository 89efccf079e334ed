"""Words that invented districts are made of. The names are common ones, put together by dice."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


GIVEN = _words(
    "Aaliyah Aaron Abel Ada Adrián Aiden Alba Alice Amara Amir Ana Andre Anika Arjun Asha Ava"
    " Beatriz Benjamin Bianca Bruno Caleb Camila Carmen Chloé Clara Daniel Darius Diego Dilan"
    " Eleni Elena Elias Ella Emeka Emil Esme Ethan Eva Fatima Felix Fiona Gabriel Gia Grace"
    " Hana Hassan Hugo Ian Imani Ines Iris Isaac Ivan Jada Jamal Jan Jasmine Joanna Jonah"
    " José Julia Kai Karim Kenji Kira Lara Leila Leo Liam Lina Lucas Łukasz Luz Maeve Malik"
    " Mara Marcus Maya Mei Mila Mina Nadia Naomi Nia Nico Noah Nora Olga Omar Oscar Paloma"
    " Petra Priya Quinn Rafael Ravi Renée Rosa Ruth Sami Sara Sean Selma Sofía Sven Tamar"
    " Tara Theo Tomás Uma Vera Victor Wren Yara Yusuf Zoë Zora"
)
FAMILY = _words(
    "Abbott Acosta Adeyemi Ahmed Alvarez Andersen Baker Banerjee Barros Bell Berg Bianchi"
    " Blake Brandt Brooks Calder Carver Castillo Chen Clarke Cole Cooper Cruz D'Angelo Dahl"
    " Daley Delgado Diaz Dubois Duran Eaton Ellis Engel Fischer Flores Foster Fujita Garner"
    " Gomez Grant Greene Gupta Hale Hansen Harper Hayes Hill Holm Hughes Ibarra Ivanov Jansen"
    " Jensen Jordan Kaplan Keller Khan Kim Klein Kowalski Kumar Lambert Larsen Lee Lopez Lund"
    " MacLeod Marsh Martin Mbeki Mendes Meyer Miller Mora Moreau Morgan Müller Nakamura Nash"
    " Nguyen Novak Nuñez O'Brien O'Neill Okafor Olsen Ortega Osei Owens Park Patel Pereira"
    " Petrov Quist Ramos Reyes Rivera Romero Rossi Ruiz Saito Sanders Santos Sato Schmidt"
    " Silva Smith-Lee Sokolov Soto Stone Svensson Tanaka Torres Tran Turner Vargas Vega Vogel"
    " Walker Wang Weber West Wilson Wolff Wood Yang Young Zamora Zhang Ziegler"
)
PLACES = _words(
    "Alder Ash Aspen Bayview Birch Brook Cedar Clearwater Copper Creekside Eastgate Elm Fern"
    " Foxglove Granite Harbor Hawthorn Heron Hickory Hillside Juniper Lakeview Larch Laurel"
    " Linden Maple Meadow Millbrook Northfield Oak Orchard Pine Prairie Redwood Ridge River"
    " Rowan Sage Sandhill Spruce Stonebridge Summit Sycamore Valley Westbrook Willow"
)
LANGUAGES = ("en", "en", "en", "en", "en", "es", "es", "vi", "ar", "zh", "so", "pl")

Course = tuple[str, str, str, str]  # title, code, subject, the subject's code

ELEMENTARY: tuple[Course, ...] = (
    ("Homeroom", "HR", "Homeroom", "HR"),
    ("Mathematics", "MAT", "Mathematics", "MA"),
    ("English Language Arts", "ELA", "English", "EN"),
    ("Science", "SCI", "Science", "SC"),
    ("Social Studies", "SOC", "Social Studies", "SS"),
    ("Art", "ART", "Art", "AR"),
    ("Music", "MUS", "Music", "MU"),
    ("Physical Education", "PE", "Physical Education", "PE"),
)
MIDDLE: tuple[Course, ...] = (
    ("Homeroom", "HR", "Homeroom", "HR"),
    ("Mathematics", "MAT", "Mathematics", "MA"),
    ("English", "ENG", "English", "EN"),
    ("Integrated Science", "SCI", "Science", "SC"),
    ("World Cultures", "SOC", "Social Studies", "SS"),
    ("Spanish", "SPA", "World Languages", "WL"),
    ("Design and Technology", "TEC", "Technology", "TE"),
    ("Physical Education", "PE", "Physical Education", "PE"),
)
HIGH: tuple[tuple[Course, ...], ...] = (
    (
        ("Homeroom", "HR", "Homeroom", "HR"),
        ("Algebra I", "MAT", "Mathematics", "MA"),
        ("English 9", "ENG", "English", "EN"),
        ("Biology", "SCI", "Science", "SC"),
        ("World History", "SOC", "Social Studies", "SS"),
        ("Spanish I", "SPA", "World Languages", "WL"),
        ("Visual Art", "ART", "Art", "AR"),
        ("Physical Education", "PE", "Physical Education", "PE"),
    ),
    (
        ("Homeroom", "HR", "Homeroom", "HR"),
        ("Geometry", "MAT", "Mathematics", "MA"),
        ("English 10", "ENG", "English", "EN"),
        ("Chemistry", "SCI", "Science", "SC"),
        ("Civics", "SOC", "Social Studies", "SS"),
        ("Spanish II", "SPA", "World Languages", "WL"),
        ("Concert Band", "MUS", "Music", "MU"),
        ("Health", "HEA", "Health", "HE"),
    ),
    (
        ("Homeroom", "HR", "Homeroom", "HR"),
        ("Algebra II", "MAT", "Mathematics", "MA"),
        ("English 11", "ENG", "English", "EN"),
        ("Physics", "SCI", "Science", "SC"),
        ("National History", "SOC", "Social Studies", "SS"),
        ("Spanish III", "SPA", "World Languages", "WL"),
        ("Computer Science", "TEC", "Technology", "TE"),
        ("Physical Education", "PE", "Physical Education", "PE"),
    ),
    (
        ("Homeroom", "HR", "Homeroom", "HR"),
        ("Statistics and Calculus", "MAT", "Mathematics", "MA"),
        ("English 12", "ENG", "English", "EN"),
        ("Environmental Science", "SCI", "Science", "SC"),
        ("Economics", "SOC", "Social Studies", "SS"),
        ("Creative Writing", "WRI", "English", "EN"),
        ("Robotics", "TEC", "Technology", "TE"),
        ("Theater", "ART", "Art", "AR"),
    ),
)
