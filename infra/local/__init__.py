"""The local twin: API Gateway, Lambda and AWS in one process.

`python -m infra.local` reads the options and starts a `Twin` (`twin.py`). The twin uses three packages:

- `stack` is template.yaml, expanded by SAM and evaluated with parameters, and its functions, which run here;
- `aws` answers the AWS calls of the functions, and does what AWS does around them;
- `gateway` turns HTTP requests into the events of functions and back, as API Gateway does.

`aws` and `gateway` use `stack` and do not know each other. `running.py` joins the three.

`deployment.py` creates the stack and updates it while it runs: `POST /_local/update` gives it other parameters.
"""
