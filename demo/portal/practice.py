"""The clinic's made-up data: plans, clinicians, patients, appointments, claims.

Everything follows from the lists below by plain arithmetic, so that each start of the portal, on any
machine and any day, shows the same.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

# The day on which the clinic lives: a Monday. Pages say "today" and mean this one.
PRACTICE_DAY = date(2026, 11, 23)


@dataclass(frozen=True)
class Plan:
    name: str
    payer: str
    kind: str
    copay_dollars: int
    deductible_dollars: int

    @property
    def copay(self) -> str:
        return f"${self.copay_dollars}"

    @property
    def deductible(self) -> str:
        return f"${self.deductible_dollars:,}"

    @property
    def group_number(self) -> str:
        return f"G-{40_000 + sum(map(ord, self.name)) * 7 % 9_999}"


PLANS = (
    Plan("Atlas Advantage", "Atlas Mutual", "HMO", 10, 0),
    Plan("Cedarstone Basic", "Cedarstone Health", "EPO", 45, 3_500),
    Plan("Cedarstone Family", "Cedarstone Health", "PPO", 30, 2_000),
    Plan("Harborline Choice", "Harborline", "HMO", 25, 1_000),
    Plan("Harborline Choice Plus", "Harborline", "HMO", 20, 500),
    Plan("Juniper Bronze", "Juniper Care", "PPO", 50, 5_000),
    Plan("Juniper Silver", "Juniper Care", "PPO", 35, 2_500),
    Plan("Juniper Gold", "Juniper Care", "PPO", 20, 750),
    Plan("Lumen Essential", "Lumen Cooperative", "EPO", 15, 250),
    Plan("Meridian Select", "Meridian", "POS", 25, 1_250),
    Plan("Meridian Select Dental", "Meridian", "POS", 25, 1_500),
    Plan("Tidewater Community", "Tidewater", "HMO", 5, 0),
)

CLINICIANS = (
    "Dr. Ingrid Solberg",
    "Dr. Rafael Quintana",
    "Dr. Hana Kobayashi",
    "Dr. Samuel Adeyemi",
    "Nora Whitfield, NP",
)

DEPARTMENTS = ("Family medicine", "Cardiology", "Dermatology", "Pediatrics", "Physical therapy")

VISIT_REASONS = (
    "Annual physical",
    "Blood pressure check",
    "Follow-up",
    "Skin check",
    "Vaccination",
    "Lab results",
    "Knee pain",
    "Medication review",
)

PROCEDURES = (
    ("99213", "Office visit, established patient", 14_200),
    ("99396", "Preventive visit", 21_850),
    ("93000", "Electrocardiogram", 8_925),
    ("80053", "Metabolic panel", 5_410),
    ("11102", "Skin biopsy", 26_700),
    ("97110", "Therapeutic exercise", 7_680),
    ("90686", "Influenza vaccine", 4_275),
)

CLAIM_STATUSES = ("Paid", "Paid", "Pending", "Paid", "Denied", "Submitted")

ALLERGIES = ("None known", "Penicillin", "None known", "Latex", "Peanuts", "None known", "Sulfonamides")

STREETS = ("Alder Street", "Kingfisher Lane", "Mill Road", "Orchard Avenue", "Quarry Hill", "Seaview Terrace")

# (first name, last name, sex on record)
NAMES = (
    ("Amara", "Okafor", "Female"),
    ("Liam", "O'Brien", "Male"),
    ("Sofia", "Marchetti", "Female"),
    ("Yusuf", "Demir", "Male"),
    ("Mei", "Tanaka", "Female"),
    ("Jonas", "Lindqvist", "Male"),
    ("Priya", "Raghunathan", "Female"),
    ("Mateo", "Fernández", "Male"),
    ("Zofia", "Kowalczyk", "Female"),
    ("Kwame", "Mensah", "Male"),
    ("Leila", "Haddad", "Female"),
    ("Tomas", "Novak", "Male"),
    ("Aaliyah", "Washington", "Female"),
    ("Nikolai", "Petrov", "Male"),
    ("Chloé", "Dubois", "Female"),
    ("Daniel", "Goldberg", "Male"),
    ("Thu", "Nguyen", "Female"),
    ("Rafi", "Rahman", "Male"),
    ("Freya", "Sørensen", "Female"),
    ("Carlos", "Mendoza", "Male"),
    ("Hyejin", "Park", "Female"),
    ("Emeka", "Nwosu", "Male"),
    ("Anjali", "Desai", "Female"),
    ("Lukas", "Schäfer", "Male"),
    ("Maria", "Papadopoulos", "Female"),
    ("Tane", "Parata", "Male"),
    ("Isabel", "Carvalho", "Female"),
    ("Arjun", "Singh", "Male"),
    ("Saoirse", "Kelly", "Female"),
    ("Wei", "Zhang", "Male"),
    ("Fatima", "El-Amin", "Female"),
    ("Piotr", "Zielinski", "Male"),
    ("Grace", "Abernathy", "Female"),
    ("Omar", "Farouk", "Male"),
    ("Ingrid", "Halvorsen", "Female"),
    ("Diego", "Castillo", "Male"),
    ("Noor", "van den Berg", "Female"),
    ("Kofi", "Boateng", "Male"),
    ("Elena", "Popescu", "Female"),
    ("Hiroshi", "Yamamoto", "Male"),
    ("Nia", "Thompson", "Female"),
    ("Sergei", "Ivanov", "Male"),
    ("Camila", "Rojas", "Female"),
    ("Ahmed", "Siddiqui", "Male"),
    ("Beatriz", "Oliveira", "Female"),
    ("Finn", "MacLeod", "Male"),
    ("Shira", "Levi", "Female"),
    ("Tariq", "Aziz", "Male"),
    ("Anneliese", "Vogel", "Female"),
    ("Miguel", "Santos", "Male"),
    ("Linh", "Tran", "Female"),
    ("Oluwaseun", "Adebayo", "Male"),
    ("Katarina", "Horvat", "Female"),
    ("Björn", "Eriksson", "Male"),
    ("Dalia", "Mansour", "Female"),
    ("Patrick", "Whitehorse", "Male"),
    ("Rosa", "Jiménez", "Female"),
    ("Vikram", "Iyer", "Male"),
    ("Eleanor", "Ashworth", "Female"),
    ("Ravi", "Fernando", "Male"),
)


def dollars(cents: int) -> str:
    """`124050` -> `$1,240.50`."""
    return f"${cents / 100:,.2f}"


@dataclass(frozen=True)
class Claim:
    number: str
    patient_id: int
    patient_name: str
    service_date: date
    code: str
    service: str
    billed_cents: int
    status: str

    @property
    def billed(self) -> str:
        return dollars(self.billed_cents)


@dataclass(frozen=True)
class Appointment:
    time: str
    patient_id: int
    patient_name: str
    reason: str
    clinician: str
    room: str
    status: str


@dataclass(frozen=True)
class Patient:
    """One person in the register; `position` (0-based) decides everything that is not a name."""

    position: int
    first_name: str
    last_name: str
    sex: str

    @property
    def id(self) -> int:
        return 1_001 + self.position

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}"

    @property
    def initials(self) -> str:
        return self.first_name[0] + self.last_name[0].upper()

    @property
    def member_id(self) -> str:
        return f"NW-{4_400 + (71 + self.position * 13) % 577}-{100 + (103 + self.position * 37) % 899}"

    @property
    def birth_date(self) -> date:
        year = 1938 + (46 + self.position * 29) % 79
        month = 1 + (3 + self.position * 5) % 12
        return date(year, month, 1 + (11 + self.position * 11) % 28)

    @property
    def age(self) -> int:
        had_birthday = (PRACTICE_DAY.month, PRACTICE_DAY.day) >= (self.birth_date.month, self.birth_date.day)
        return PRACTICE_DAY.year - self.birth_date.year - (0 if had_birthday else 1)

    @property
    def plan(self) -> Plan:
        return PLANS[(7 + self.position * 7) % len(PLANS)]

    @property
    def status(self) -> str:
        return ("Active", "Active", "Pending review", "Active", "Lapsed")[self.position * 3 % 5]

    @property
    def last_visit(self) -> date:
        return PRACTICE_DAY - timedelta(days=3 + self.position * 17 % 240)

    @property
    def balance_cents(self) -> int:
        return 0 if self.position % 4 == 1 else (12_400 + self.position * 7_919) % 62_000 + 1_850

    @property
    def balance(self) -> str:
        return dollars(self.balance_cents)

    @property
    def phone(self) -> str:
        # 555-01xx is kept free for stories.
        return f"(555) 555-01{self.position * 31 % 100:02}"

    @property
    def address(self) -> str:
        return f"{12 + self.position * 9} {STREETS[self.position % len(STREETS)]}, Port Ellery"

    @property
    def allergy(self) -> str:
        return ALLERGIES[self.position % len(ALLERGIES)]

    @property
    def clinician(self) -> str:
        return CLINICIANS[self.position % len(CLINICIANS)]

    @cached_property
    def claims(self) -> tuple[Claim, ...]:
        """The last claims of this patient, newest first."""
        claims = []
        for turn in range(2 + self.position % 3):
            code, service, billed_cents = PROCEDURES[(self.position * 8 // 7 + turn * 3) % len(PROCEDURES)]
            claims.append(
                Claim(
                    number=f"C-{self.id}-{turn + 1:02}",
                    patient_id=self.id,
                    patient_name=self.name,
                    service_date=self.last_visit - timedelta(days=41 * turn),
                    code=code,
                    service=service,
                    billed_cents=billed_cents,
                    status=CLAIM_STATUSES[(self.position + turn) % len(CLAIM_STATUSES)],
                )
            )
        return tuple(claims)


PATIENTS = tuple(Patient(position, *name) for position, name in enumerate(NAMES))

# All claims, newest first; the number breaks ties.
CLAIMS = tuple(
    sorted(
        (claim for patient in PATIENTS for claim in patient.claims),
        key=lambda claim: (-claim.service_date.toordinal(), claim.number),
    )
)


def find_patient(patient_id: int) -> Patient | None:
    position = patient_id - PATIENTS[0].id
    return PATIENTS[position] if 0 <= position < len(PATIENTS) else None


def find_member(member_id: str) -> Patient | None:
    wanted = member_id.strip().upper()
    return next((patient for patient in PATIENTS if patient.member_id == wanted), None)


def search_patients(query: str, status: str) -> list[Patient]:
    """Patients whose name or member id contains `query`, in order of the last name; "" asks for all."""
    wanted = query.strip().casefold()
    found = [
        patient
        for patient in PATIENTS
        if (wanted in patient.name.casefold() or wanted in patient.member_id.casefold())
        and status in ("", patient.status)
    ]
    return sorted(found, key=lambda patient: (patient.last_name.casefold(), patient.first_name))


def todays_appointments() -> list[Appointment]:
    """The day's list: every half hour from 8:30."""
    statuses = ("Checked out", "Checked out", "With clinician", "Checked in", "Confirmed")
    appointments = []
    for turn in range(10):
        patient = PATIENTS[turn * 7 % len(PATIENTS)]
        minutes = 8 * 60 + 30 + turn * 30
        appointments.append(
            Appointment(
                time=f"{minutes // 60:02}:{minutes % 60:02}",
                patient_id=patient.id,
                patient_name=patient.name,
                reason=VISIT_REASONS[turn % len(VISIT_REASONS)],
                clinician=CLINICIANS[turn % len(CLINICIANS)],
                room=f"Room {1 + turn * 2 % 5}",
                status=statuses[min(turn, len(statuses) - 1)],
            )
        )
    return appointments
