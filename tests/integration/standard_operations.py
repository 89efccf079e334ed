"""The GET operations that the standard has, as a list of names.

Names and paths are facts about OneRoster; what ours answer is tried against them, so that none can
go missing with the row of a table.
"""

from typing import Final, NamedTuple


class Operation(NamedTuple):
    """One operation of a service, its path with the parameters' names of 1.2."""

    service: str
    name: str
    path: str
    method: str = "GET"


NEWER: Final[tuple[Operation, ...]] = (
    Operation("rostering", "getAllAcademicSessions", "/academicSessions"),
    Operation("rostering", "getAcademicSession", "/academicSessions/{sourcedId}"),
    Operation("rostering", "getAllClasses", "/classes"),
    Operation("rostering", "getStudentsForClass", "/classes/{classSourcedId}/students"),
    Operation("rostering", "getTeachersForClass", "/classes/{classSourcedId}/teachers"),
    Operation("rostering", "getClass", "/classes/{sourcedId}"),
    Operation("rostering", "getAllCourses", "/courses"),
    Operation("rostering", "getClassesForCourse", "/courses/{courseSourcedId}/classes"),
    Operation("rostering", "getCourse", "/courses/{sourcedId}"),
    Operation("rostering", "getAllDemographics", "/demographics"),
    Operation("rostering", "getDemographics", "/demographics/{sourcedId}"),
    Operation("rostering", "getAllEnrollments", "/enrollments"),
    Operation("rostering", "getEnrollment", "/enrollments/{sourcedId}"),
    Operation("rostering", "getAllGradingPeriods", "/gradingPeriods"),
    Operation("rostering", "getGradingPeriod", "/gradingPeriods/{sourcedId}"),
    Operation("rostering", "getAllOrgs", "/orgs"),
    Operation("rostering", "getOrg", "/orgs/{sourcedId}"),
    Operation("rostering", "getAllSchools", "/schools"),
    Operation("rostering", "getClassesForSchool", "/schools/{schoolSourcedId}/classes"),
    Operation(
        "rostering",
        "getEnrollmentsForClassInSchool",
        "/schools/{schoolSourcedId}/classes/{classSourcedId}/enrollments",
    ),
    Operation(
        "rostering",
        "getStudentsForClassInSchool",
        "/schools/{schoolSourcedId}/classes/{classSourcedId}/students",
    ),
    Operation(
        "rostering",
        "getTeachersForClassInSchool",
        "/schools/{schoolSourcedId}/classes/{classSourcedId}/teachers",
    ),
    Operation("rostering", "getCoursesForSchool", "/schools/{schoolSourcedId}/courses"),
    Operation("rostering", "getEnrollmentsForSchool", "/schools/{schoolSourcedId}/enrollments"),
    Operation("rostering", "getStudentsForSchool", "/schools/{schoolSourcedId}/students"),
    Operation("rostering", "getTeachersForSchool", "/schools/{schoolSourcedId}/teachers"),
    Operation("rostering", "getTermsForSchool", "/schools/{schoolSourcedId}/terms"),
    Operation("rostering", "getSchool", "/schools/{sourcedId}"),
    Operation("rostering", "getAllStudents", "/students"),
    Operation("rostering", "getStudent", "/students/{sourcedId}"),
    Operation("rostering", "getClassesForStudent", "/students/{studentSourcedId}/classes"),
    Operation("rostering", "getAllTeachers", "/teachers"),
    Operation("rostering", "getTeacher", "/teachers/{sourcedId}"),
    Operation("rostering", "getClassesForTeacher", "/teachers/{teacherSourcedId}/classes"),
    Operation("rostering", "getAllTerms", "/terms"),
    Operation("rostering", "getTerm", "/terms/{sourcedId}"),
    Operation("rostering", "getClassesForTerm", "/terms/{termSourcedId}/classes"),
    Operation("rostering", "getGradingPeriodsForTerm", "/terms/{termSourcedId}/gradingPeriods"),
    Operation("rostering", "getAllUsers", "/users"),
    Operation("rostering", "getUser", "/users/{sourcedId}"),
    Operation("rostering", "getClassesForUser", "/users/{userSourcedId}/classes"),
    Operation("resources", "getResourcesForClass", "/classes/{classSourcedId}/resources"),
    Operation("resources", "getResourcesForCourse", "/courses/{courseSourcedId}/resources"),
    Operation("resources", "getAllResources", "/resources"),
    Operation("resources", "getResource", "/resources/{sourcedId}"),
    Operation("resources", "getResourcesForUser", "/users/{userSourcedId}/resources"),
)
"""OneRoster 1.2: 41 of rostering, 5 of resources."""

OLDER: Final = tuple(each for each in NEWER if each.name != "getResourcesForUser")
"""OneRoster 1.1: 41 of rostering, 4 of resources, under one base."""
