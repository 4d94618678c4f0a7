"""The events that benches report, and the extensions that they happen to."""

#: The events of a call, in order. Each has a hook.
EVENTS = ("dial-in", "answer-in", "hangup")
#: An event without a hook.
UNHOOKED = "dial-out"
EXTENSIONS = [str(number) for number in range(101, 121)]
#: The extension whose events go to the receiver that hangs.
ASIDE = "999"
