from tests.fuzz.coincidence import *
from tests.fuzz.corpus import CORPUS
import dataclasses
for s in range(12):
    p=dataclasses.replace(CORPUS["an axis that becomes empty"],seed=s)
    try: coincidence(Case(p)); r="ok"
    except Exception as e: r=str(e)[:100]
    print(s, choices(p), r)
