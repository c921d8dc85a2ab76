"""What is on the wire: signatures of every kind, made here from the ground, and the form of answers.

EC2_SIGV2=off tells that the server is not to take signatures of version 2.
"""

import hashlib
import http.client
import os
import re
from datetime import timedelta
from urllib.parse import parse_qsl, quote, urlencode, urlsplit
from xml.etree import ElementTree

import pytest
from botocore.auth import SigV2Auth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from conftest import IMAGE, KEYS, NOBODY, REGION, URL, moto_differs
from signing import ASK, ENDPOINT, FORM, HOST, PATH, V4, presign, send, sign_v2, stamp

finds_v4_headers_only = moto_differs("tells services apart by the Authorization header, and takes the rest for S3")
lets_everyone_in = moto_differs("lets everyone in")
takes_v2 = pytest.mark.skipif(os.environ.get("EC2_SIGV2") == "off", reason="the server takes no version 2")
takes_no_v2 = pytest.mark.skipif(os.environ.get("EC2_SIGV2") != "off", reason="the server takes version 2")


def code_of(content):
    """The error's code. It has one, with its message, and nothing else, in no namespace."""
    root = ElementTree.fromstring(content)
    assert root.tag == "Response"
    (error,) = root.findall("Errors/Error")
    assert [one.tag for one in error] == ["Code", "Message"]
    assert root.findtext("RequestID")
    assert error.findtext("Message")
    return error.findtext("Code")


def accepted(answer):
    status, _, content = answer
    assert status == 200, content
    assert b"DescribeRegionsResponse" in content


def rejected(answer, *codes, status=(400, 401, 403)):
    got, headers, content = answer
    assert code_of(content) in codes, content
    assert got in ([status] if isinstance(status, int) else status)
    assert "xml" in headers["Content-Type"]


# ---- Version 4 ------------------------------------------------------------------------------------


def test_a_post():
    accepted(V4().send())


def test_a_get():
    accepted(V4("GET", ASK.items()).send())


def test_the_action_in_the_query_and_the_rest_in_the_body():
    accepted(V4(query=[("Action", "DescribeRegions")], body=b"Version=2016-11-15").send())


@pytest.mark.parametrize("region, service", [("", "ec2"), ("undefined-4711", "ec2"), ("0", "127"), ("mars", "compute")])
@moto_differs("knows its own services only")
def test_any_region_and_service(region, service):
    """euca2ools and boto 2 sign for names that they make up."""
    accepted(V4(region=region or "x", service=service).send())


def test_no_space_after_commas():
    request = V4()
    request.separator = ","
    accepted(request.send())


def test_the_headers_of_euca2ools():
    request = V4()
    request.headers += [
        ("Accept", "*/*"),
        ("Accept-Encoding", "gzip, deflate"),
        ("X-Amz-Content-SHA256", request.payload),
    ]
    accepted(request.send())


def test_headers_in_capitals_and_with_spaces():
    request = V4()
    request.headers = [("HOST", HOST), ("x-AMZ-date", request.stamp), ("X-Odd", "  two   spaces  ")]
    request.headers.append(("Content-Type", FORM))
    accepted(request.send())


def test_a_header_that_is_not_signed():
    request = V4()
    request.signed = request.names()
    request.headers.append(("X-More", "of a proxy"))
    accepted(request.send())


@pytest.mark.parametrize(
    "value",
    ["a b", "a+b", "a%b", "a/b:c", "~-_.", "(a)*'!", "ü☃", "a=b&c", "", "a;b,c@d"],
)
def test_values_in_a_query(value):
    """Filter values of every kind, each of which finds nothing."""
    query = [*ASK.items(), ("Filter.1.Name", "region-name"), ("Filter.1.Value.1", value)]
    accepted(V4("GET", query).send())


@pytest.mark.parametrize("form", ["a+b", "a%20b", "a%2Bb", "%7e~", "%c3%bc", "", "*"])
def test_values_in_a_body(form):
    body = f"Action=DescribeRegions&Version=2016-11-15&Filter.1.Name=region-name&Filter.1.Value.1={form}"
    accepted(V4(body=body.encode()).send())


def test_a_query_in_a_form_of_its_own():
    """Percent signs with small letters, a plus for a space, in no order."""
    query = [
        ("Filter.1.Value.1", "a b:c"),
        ("Version", "2016-11-15"),
        ("Filter.1.Name", "region-name"),
        ("Action", "DescribeRegions"),
    ]
    request = V4("GET", query)
    request.target = (
        f"{PATH}?Filter.1.Value.1=a+b%3ac&Version=2016-11-15&Filter.1.Name=region-name&Action=DescribeRegions"
    )
    accepted(request.send())


def test_a_name_without_a_value():
    request = V4("GET", [*ASK.items(), ("DryRun", "")])
    request.target = f"{PATH}?{urlencode(ASK)}&DryRun"
    accepted(request.send())


@lets_everyone_in
def test_a_body_that_was_changed():
    request = V4()
    request.body = request.body.replace(b"Regions", b"Volumes")
    rejected(request.send(), "AuthFailure", status=401)


@lets_everyone_in
def test_a_query_that_was_changed():
    request = V4("GET", ASK.items())
    request.target = f"{PATH}?{urlencode({**ASK, 'Action': 'DescribeVolumes'})}"
    rejected(request.send(), "AuthFailure", status=401)


@lets_everyone_in
def test_a_signed_header_that_is_missing_or_changed():
    for change in lambda headers: headers[:2], lambda headers: [*headers[:2], ("Content-Type", "text/plain")]:
        request = V4()
        authorization = request.authorization()
        headers = [*change(request.headers), ("Authorization", authorization)]
        rejected(send("POST", PATH, headers, request.body), "AuthFailure", "IncompleteSignature")


@lets_everyone_in
def test_the_host_has_to_be_signed():
    request = V4()
    request.signed = ["content-type", "x-amz-date"]
    rejected(request.send(), "AuthFailure", "IncompleteSignature")


@lets_everyone_in
def test_a_hash_that_is_not_the_bodys():
    request = V4()
    request.payload = hashlib.sha256(b"another body").hexdigest()
    request.headers.append(("X-Amz-Content-SHA256", request.payload))
    rejected(request.send(), "AuthFailure", "InvalidParameterValue", "IncompleteSignature")


@lets_everyone_in
def test_an_unsigned_body():
    request = V4()
    request.payload = "UNSIGNED-PAYLOAD"
    request.headers.append(("X-Amz-Content-SHA256", request.payload))
    rejected(request.send(), "AuthFailure", "InvalidParameterValue", "IncompleteSignature")


@lets_everyone_in
def test_wrong_keys_are_all_alike():
    """Whether the key is known cannot be told from the answer."""
    wrong_secret = V4(keys=(KEYS[0], "wrong")).send()
    unknown_key = V4(keys=("AKIANOBODYSKEY000000", KEYS[1])).send()
    rejected(wrong_secret, "AuthFailure", status=401)
    rejected(unknown_key, "AuthFailure", status=401)
    texts = {
        ElementTree.fromstring(answer[2]).findtext("Errors/Error/Message") for answer in (wrong_secret, unknown_key)
    }
    assert len(texts) == 1


@pytest.mark.parametrize("minutes", [-14, 14])
def test_a_clock_that_is_nearly_right(minutes):
    accepted(V4(late=timedelta(minutes=minutes)).send())


@pytest.mark.parametrize("minutes", [-16, 16, -60 * 24 * 365])
@lets_everyone_in
def test_a_clock_that_is_wrong(minutes):
    rejected(V4(late=timedelta(minutes=minutes)).send(), "RequestExpired", status=400)


@lets_everyone_in
def test_the_day_of_the_scope_is_that_of_the_date():
    request = V4()
    request.day = (request.when - timedelta(days=1)).strftime("%Y%m%d")
    rejected(request.send(), "AuthFailure", "IncompleteSignature", "SignatureDoesNotMatch")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("Credential=", "Credits="),
        lambda text: text.replace("SignedHeaders=", "Headers="),
        lambda text: text[: text.index(", Signature=")],
        lambda text: text.replace("/aws4_request", ""),
        lambda text: text.replace("aws4_request", "aws5_request"),
        lambda text: text[: len("AWS4-HMAC-SHA256")],
        lambda text: re.sub("Signature=.*", "Signature=xyz", text),
        lambda text: "Bearer abc",
        lambda text: "AWS4-HMAC-SHA1 " + text,
        lambda text: "",
    ],
)
@lets_everyone_in
def test_a_header_of_parts(change):
    request = V4()
    headers = [*request.headers, ("Authorization", change(request.authorization()))]
    rejected(
        send("POST", PATH, headers, request.body), "IncompleteSignature", "AuthFailure", "MissingAuthenticationToken"
    )


@lets_everyone_in
def test_without_a_date():
    request = V4()
    headers = [one for one in request.headers if one[0] != "X-Amz-Date"]
    headers.append(("Authorization", request.authorization()))
    rejected(send("POST", PATH, headers, request.body), "IncompleteSignature", "AuthFailure")


@lets_everyone_in
def test_nobody_at_all():
    answer = send("POST", PATH, [("Host", HOST), ("Content-Type", FORM)], urlencode(ASK).encode())
    rejected(answer, "AuthFailure", "MissingAuthenticationToken", status=(401, 403))
    rejected(send("GET", f"{PATH}?{urlencode(ASK)}", [("Host", HOST)]), "AuthFailure", "MissingAuthenticationToken")


@lets_everyone_in
def test_a_session_token_is_not_ignored():
    request = V4()
    request.headers.append(("X-Amz-Security-Token", "of a session"))
    rejected(request.send(), "AuthFailure", "InvalidClientTokenId")


# ---- Presigned ------------------------------------------------------------------------------------


def presigned(expires=300, late=timedelta(), change=lambda query: query, keys=KEYS):
    request = V4("GET", ASK.items(), keys=keys, late=late)
    query = change(presign(request, expires))
    return send("GET", f"{PATH}?{urlencode(query, quote_via=quote)}", request.headers)


@finds_v4_headers_only
def test_a_presigned_address():
    accepted(presigned())


@finds_v4_headers_only
def test_a_presigned_address_of_yesterday():
    accepted(presigned(expires=7 * 86400, late=timedelta(days=-1)))


@lets_everyone_in
def test_a_presigned_address_that_has_ended():
    rejected(presigned(expires=60, late=timedelta(minutes=-2)), "RequestExpired", "AuthFailure")


@lets_everyone_in
def test_a_presigned_address_for_too_long():
    rejected(presigned(expires=7 * 86400 + 1), "AuthFailure", "IncompleteSignature", "InvalidParameterValue")


@lets_everyone_in
def test_a_presigned_address_that_was_changed():
    def change(query):
        return [(name, "DescribeVolumes" if name == "Action" else value) for name, value in query]

    rejected(presigned(change=change), "AuthFailure", status=401)


@pytest.mark.parametrize("part", ["Credential", "Date", "Expires", "SignedHeaders", "Signature"])
@lets_everyone_in
def test_a_presigned_address_of_parts(part):
    answer = presigned(change=lambda query: [one for one in query if one[0] != f"X-Amz-{part}"])
    rejected(answer, "IncompleteSignature", "AuthFailure")


@lets_everyone_in
def test_a_presigned_address_with_a_wrong_key():
    rejected(presigned(keys=(KEYS[0], "wrong")), "AuthFailure", status=401)


# ---- These signatures are botocore's --------------------------------------------------------------------


@pytest.mark.parametrize("value", ["plain", "a b+c%d/e:f", "~-_.(a)*'!", "ü☃"])
def test_as_botocore_signs_it(value):
    query = [*ASK.items(), ("Filter.1.Value.1", value)]
    ours = V4("GET", query)
    theirs = AWSRequest("GET", f"{URL}?{urlencode(query, quote_via=quote)}", headers=dict(ours.headers))
    theirs.context["timestamp"] = ours.stamp
    auth = SigV4Auth(Credentials(*KEYS), "ec2", REGION)
    expected = auth.signature(auth.string_to_sign(theirs, auth.canonical_request(theirs)), theirs)
    assert ours.authorization().endswith(f"Signature={expected}")

    body = urlencode(query).encode()
    ours = V4(body=body)
    theirs = AWSRequest("POST", URL, headers=dict(ours.headers), data=body)
    theirs.context["timestamp"] = ours.stamp
    expected = auth.signature(auth.string_to_sign(theirs, auth.canonical_request(theirs)), theirs)
    assert ours.authorization().endswith(f"Signature={expected}")


def test_as_botocore_presigns():
    theirs = AWSRequest("GET", f"{URL}?{urlencode(ASK)}")
    SigV4QueryAuth(Credentials(*KEYS), "ec2", REGION, expires=300).add_auth(theirs)
    expected = dict(parse_qsl(urlsplit(theirs.url).query))
    ours = V4("GET", ASK.items())
    ours.stamp, ours.day = expected["X-Amz-Date"], expected["X-Amz-Date"][:8]
    assert dict(presign(ours, 300)) == expected


@pytest.mark.parametrize("value", ["plain", "a b+c%d/e:f", "~-_.(a)*'!", "ü☃"])
def test_as_botocore_signs_version_2(value):
    signed = sign_v2({**ASK, "Filter.1.Value.1": value})
    unsigned = {name: text for name, text in signed.items() if name != "Signature"}
    _, expected = SigV2Auth(Credentials(*KEYS)).calc_signature(AWSRequest("POST", URL), unsigned)
    assert signed["Signature"] == expected


# ---- Version 2 ------------------------------------------------------------------------------------


def v2(method="GET", change=lambda signed: signed, more=(), **how):
    """Signs, changes, sends."""
    body = urlencode(change(sign_v2({**ASK, **dict(more)}, method, **how)), quote_via=quote)
    if method == "GET":
        return send("GET", f"{PATH}?{body}", [("Host", HOST)])
    return send("POST", PATH, [("Host", HOST), ("Content-Type", FORM)], body.encode())


@takes_v2
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("digest", ["HmacSHA256", "HmacSHA1"])
@finds_v4_headers_only
def test_version_2(method, digest):
    accepted(v2(method, digest=digest))


@takes_v2
@finds_v4_headers_only
def test_version_2_with_odd_values():
    odd = {"Filter.1.Name": "region-name", "Filter.1.Value.1": "a b+c*~ü/:"}
    accepted(v2(more=odd))
    accepted(v2("POST", more=odd))


@takes_v2
@finds_v4_headers_only
def test_version_2_with_the_host_alone():
    """Some clients sign the port, some do not."""
    accepted(v2(host=ENDPOINT.hostname))


@takes_v2
@pytest.mark.parametrize("form", ["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.000Z", "%Y-%m-%dT%H:%M:%S"])
@finds_v4_headers_only
def test_version_2_with_every_form_of_time(form):
    accepted(v2(when={"Timestamp": stamp(form)}))
    accepted(v2(when={"Expires": stamp(form, minutes=1)}))


@takes_v2
@lets_everyone_in
def test_version_2_too_late():
    rejected(v2(when={"Timestamp": stamp(minutes=-16)}), "RequestExpired", status=400)
    rejected(v2(when={"Timestamp": stamp(minutes=16)}), "RequestExpired", status=400)
    rejected(v2(when={"Expires": stamp(minutes=-1)}), "RequestExpired", status=400)


@takes_v2
@lets_everyone_in
def test_version_2_that_was_changed():
    rejected(v2(change=lambda signed: {**signed, "Action": "DescribeVolumes"}), "AuthFailure", status=401)
    rejected(v2(keys=(KEYS[0], "wrong")), "AuthFailure", status=401)
    rejected(v2(keys=("AKIANOBODYSKEY000000", KEYS[1])), "AuthFailure", status=401)


@takes_v2
@pytest.mark.parametrize("part", ["AWSAccessKeyId", "SignatureMethod", "Timestamp", "Signature"])
@lets_everyone_in
def test_version_2_of_parts(part):
    answer = v2(change=lambda signed: {name: value for name, value in signed.items() if name != part})
    rejected(answer, "AuthFailure", "IncompleteSignature", "MissingParameter")


@takes_v2
@lets_everyone_in
def test_version_2_with_another_method():
    rejected(v2(digest="HmacMD5"), "AuthFailure", "IncompleteSignature", "InvalidParameterValue")


@takes_v2
@lets_everyone_in
def test_version_1_is_over():
    rejected(v2(more={"SignatureVersion": "1"}), "AuthFailure", "IncompleteSignature", "InvalidParameterValue")


@takes_no_v2
@lets_everyone_in
def test_version_2_is_off():
    rejected(v2(), "AuthFailure")
    rejected(v2("POST"), "AuthFailure")


# ---- The form of requests and answers -----------------------------------------------------------------


def ask(action, version="2016-11-15", raw=None, **parameters):
    body = urlencode([("Action", action), ("Version", version), *parameters.items()]) + (raw or "")
    return V4(body=body.encode()).send()


@moto_differs("has the number last")
def test_an_answer():
    status, headers, content = ask("DescribeRegions")
    assert status == 200
    assert headers["Content-Type"].startswith("text/xml")
    root = ElementTree.fromstring(content)
    assert root[0].tag.endswith("}requestId")
    assert headers["x-amzn-RequestId"]


@moto_differs("makes up a number for the header alone")
def test_the_number_of_a_request_is_in_its_header_too():
    _, headers, content = ask("DescribeRegions")
    assert ElementTree.fromstring(content)[0].text == headers["x-amzn-RequestId"]


@pytest.mark.parametrize("version", ["2016-11-15", "2015-10-01", "2014-10-01", "2010-08-31"])
@moto_differs("has a namespace of its own choice")
def test_the_namespace_is_that_of_the_version(version):
    _, _, content = ask("DescribeRegions", version)
    assert ElementTree.fromstring(content).tag == f"{{http://ec2.amazonaws.com/doc/{version}/}}DescribeRegionsResponse"


@moto_differs("answers nothing that is XML")
def test_an_action_that_there_is_not():
    status, _, content = ask("DescribeTheWeather")
    assert (status, code_of(content)) == (400, "InvalidAction")
    message = ElementTree.fromstring(content).findtext("Errors/Error/Message")
    assert message == "The action DescribeTheWeather is not valid for this web service."


@moto_differs("answers nothing that is XML")
def test_no_action():
    rejected(V4(body=b"Version=2016-11-15").send(), "MissingAction", "MissingParameter", status=400)


@moto_differs("takes the first")
def test_a_parameter_sent_twice():
    rejected(ask("DescribeRegions", raw="&RegionName.1=a&RegionName.1=b"), "InvalidParameterValue", status=400)


def instances(raw):
    status, _, content = ask("DescribeInstances", raw=raw)
    return status, content


@moto_differs("has errors in a namespace")
def test_lists_begin_anywhere():
    """libcloud counts from nought, and sends a list of one without a number."""
    for raw in "&InstanceId.1=", "&InstanceId.7=", "&InstanceId.01=":
        status, content = instances(f"{raw}i-{NOBODY}")
        assert (status, code_of(content)) == (400, "InvalidInstanceID.NotFound"), raw


@moto_differs("counts from one")
def test_lists_begin_at_nought_or_have_no_number():
    for raw in "&InstanceId.0=", "&InstanceId=":
        status, content = instances(f"{raw}i-{NOBODY}")
        assert (status, code_of(content)) == (400, "InvalidInstanceID.NotFound"), raw


@moto_differs("has errors in a namespace")
def test_booleans_in_every_form():
    for value in "true", "True", "TRUE":
        status, _, content = ask("DescribeRegions", DryRun=value)
        assert (status, code_of(content)) == (412, "DryRunOperation"), value
    for value in "false", "False":
        accepted(ask("DescribeRegions", DryRun=value))


@moto_differs("does not read these")
def test_booleans_as_digits():
    status, _, content = ask("DescribeRegions", DryRun="1")
    assert (status, code_of(content)) == (412, "DryRunOperation")
    accepted(ask("DescribeRegions", DryRun="0"))
    rejected(ask("DescribeRegions", DryRun="perhaps"), "InvalidParameterValue", status=400)


@moto_differs("does not look")
def test_user_data_that_is_not_base64():
    answer = ask("RunInstances", ImageId=IMAGE, MinCount="1", MaxCount="1", UserData="not base64!", DryRun="true")
    rejected(answer, "InvalidParameterValue", "InvalidUserData.Malformed", status=400)


@moto_differs("does not know the parameter's name")
def test_a_number_that_is_none():
    answer = ask("RunInstances", ImageId=IMAGE, MinCount="one", MaxCount="1", DryRun="true")
    rejected(answer, "InvalidParameterValue", status=400)


@moto_differs("runs one")
def test_a_parameter_that_is_missing():
    for missing in "ImageId", "MinCount", "MaxCount":
        parameters = {"ImageId": IMAGE, "MinCount": "1", "MaxCount": "1", "DryRun": "true"}
        del parameters[missing]
        answer = ask("RunInstances", **parameters)
        rejected(answer, "MissingParameter", status=400)
        assert missing in ElementTree.fromstring(answer[2]).findtext("Errors/Error/Message")


@moto_differs("ends every connection")
def test_a_connection_is_kept():
    connection = http.client.HTTPConnection(HOST, timeout=30)
    for _ in range(3):
        request = V4()
        connection.request(
            "POST", PATH, request.body, {**dict(request.headers), "Authorization": request.authorization()}
        )
        answer = connection.getresponse()
        assert answer.status == 200
        answer.read()
        assert answer.headers["Content-Length"]
        assert connection.sock is not None
    connection.close()


@moto_differs("answers in HTML")
def test_nothing_but_xml_is_answered():
    for method, target in ("PUT", PATH), ("DELETE", PATH), ("POST", f"{PATH}nothing/here"):
        status, headers, content = send(method, target, [("Host", HOST)], b"x" if method != "DELETE" else b"")
        assert 400 <= status < 500, (method, target)
        if content:
            assert "xml" in headers["Content-Type"], (method, target)
