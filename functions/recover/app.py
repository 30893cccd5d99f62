"""`POST /v1/user/resendEmail` and `/v1/user/password/restore`: a mail to who has only a login."""

from latchkey.core.model import MailKind
from latchkey.edge import account_forms, bootstrap
from latchkey.edge.http import Request, Response, endpoint

ABOUT = {"/v1/user/resendEmail": MailKind.CONFIRM, "/v1/user/password/restore": MailKind.RESET}


@endpoint
def handler(request: Request) -> Response:
    """Answer 202 whether there is such an account or not: this function cannot even look."""
    login = account_forms.mail_request(request)
    bootstrap.mail_requests()(ABOUT[request.path], login, address=request.address, now=request.now)
    return Response(202, {"message": "If there is such an account, a mail is on its way"})
