from tests.build.planned import *
from tests.build.scenarios import *
import pytest
ALL={**COPYING,**ARGUMENTS,**RUNNING,**TRIGGERS,**HEREDOCS}
def test_a(kitchen):
    kitchen.write({"app.py":"1","req":"x"})
    T="FROM busybox\nWORKDIR /app\nCOPY . .\nRUN cat req > /made\nRUN echo hi > /hi\nCOPY --link req /r2\n"
    print(shown(agreed(kitchen,T)[0]))
    print(shown(agreed(kitchen,T)[0]))
    kitchen.write({"app.py":"2"})
    p=agreed(kitchen,T)[0]
    print(shown(p)); print(p.steps[-2].reason)
    for s in p.steps: print(s)

import re
@pytest.mark.parametrize("name", ALL)
def test_all(kitchen, name):
    case=ALL[name]
    kitchen.write(case.files)
    agreed(kitchen, case.dockerfile, **case.options)
    again,_=agreed(kitchen, case.dockerfile, **case.options)
    assert all(s.status in("from","reuse") for s in again.steps), shown(again)
    kitchen.write({"zz-new": "1"})
    for f in case.files:
        kitchen.write({f: case.files[f]})
    other = re.sub(r"(?m)^(FROM (busybox|busy\S+)( AS \w+)?)$", r"\1\nCOPY <<E /zz\nnew\nE", case.dockerfile, flags=re.I)
    p,_=agreed(kitchen, other, **case.options)
    print(shown(p))
    p,_=agreed(kitchen, other.replace("\nnew\n","\nother\n").replace("/zz","/etc/zz"), **case.options)
    print(shown(p))
    p,_=agreed(kitchen, other, no_cache=True, **case.options)
    print(shown(p))
