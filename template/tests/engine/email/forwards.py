"""Texts of mails as programs write them: forwards, and replies above what they answer.

In each, "please look" is the writer's own, and "It is down." was written by somebody else before.
"""


def _write_outlook(sender: str, sent: str, when: str, to: str, subject: str) -> str:
    headers = f"{sender}: Mia Jones <mia@shop.example>\n{sent}: {when}\n{to}: Ana Smith"
    return f"please look\n\n{'_' * 32}\n{headers}\n{subject}: Prod\n\nIt is down."


FORWARDS = {
    "outlook en": _write_outlook("From", "Sent", "Monday, 5 January 2026 10:00", "To", "Subject"),
    "outlook de": _write_outlook("Von", "Gesendet", "Montag, 5. Januar 2026", "An", "Betreff"),
    "outlook sv": _write_outlook("Från", "Skickat", "den 5 januari 2026 10:00", "Till", "Ämne"),
    "outlook da": _write_outlook("Fra", "Sendt", "5. januar 2026 10:00", "Til", "Emne"),
    "outlook fi": _write_outlook("Lähettäjä", "Lähetetty", "5.1.2026", "Vastaanottaja", "Aihe"),
    "outlook fr": _write_outlook("De ", "Envoyé ", "lundi 5 janvier 2026 10:00", "À ", "Objet "),
    "outlook pl": _write_outlook("Od", "Wysłane", "5 stycznia 2026 10:00", "Do", "Temat"),
    "outlook ru": _write_outlook("От", "Отправлено", "5 января 2026, 10:00", "Кому", "Тема"),
    "outlook tr": _write_outlook("Kimden", "Gönderildi", "5 Ocak 2026", "Kime", "Konu"),
    "outlook ja": _write_outlook("差出人", "送信日時", "2026年1月5日 10:00", "宛先", "件名"),
    "outlook, in a language that we do not know": _write_outlook(
        "Saatja", "Saadetud", "5. jaanuar 2026 10:00", "Adressaat", "Teema"
    ),
    "outlook, names only": "please look\n\nFrom: Mia Jones\nSent: Monday, 5 January 2026 10:00\n"
    "To: Ana Smith\nCc:\nSubject: Prod\n\nIt is down.",
    "outlook, plain text": "please look\n\n-----Original Message-----\n"
    "From: Mia <mia@shop.example>\nSent: Monday, 5 January 2026 10:00\n"
    "To: Ana Smith <ana@example.org>;\n Bob\nSubject: Prod\n\n"
    "It is down.",
    "gmail": "please look\n\n---------- Forwarded message ---------\n"
    "From: Mia <mia@shop.example>\nDate: Mon, 5 Jan 2026 at 10:00\nSubject: Prod\n"
    "To: <ana@example.org>\n\n\nIt is down.",
    "gmail nl": "please look\n\n---------- Forwarded message ---------\n"
    "Van: Mia <mia@shop.example>\nDate: ma 5 jan 2026 om 10:00\nSubject: Prod\n\nIt is down.",
    "thunderbird de": "please look\n\n-------- Weitergeleitete Nachricht --------\n"
    "Betreff: \tProd\nDatum: \tMon, 5 Jan 2026 10:00:00 +0100\nVon: \tMia <mia@shop.example>\n"
    "An: \tana@example.org\n\nIt is down.",
    "thunderbird, in a language that we do not know": "please look\n\n"
    "-------- Edastatud kiri --------\nTeema: \tProd\nKuupäev: \tMon, 5 Jan 2026 10:00:00 +0100\n"
    "Saatja: \tMia <mia@shop.example>\n\nIt is down.",
    "apple": "please look\n\nBegin forwarded message:\n\nFrom: Mia <mia@shop.example>\n"
    "Subject: Prod\nDate: 5 January 2026 at 10:00:00 CET\nTo: ana@example.org\n\nIt is down.",
    "apple, quoted": "please look\n\n> Begin forwarded message:\n> \n"
    "> From: Mia <mia@shop.example>\n> Subject: Prod\n> Date: 5 January 2026 at 10:00:00 CET\n"
    "> To: ana@example.org\n> \n> It is down.",
    "apple de, quoted": "please look\n\nAnfang der weitergeleiteten Nachricht:\n\n"
    "> Von: Mia <mia@shop.example>\n> Betreff: Prod\n> Datum: 5. Januar 2026 um 10:00:00 MEZ\n"
    "> An: ana@example.org\n> \n> It is down.",
    "apple, each header a paragraph": "please look\n\nBegin forwarded message:\n\n"
    "From: Mia <mia@shop.example>\n\nSubject: Prod\n\nDate: 5 January 2026 at 10:00:00 CET\n\n"
    "To: ana@example.org\n\nIt is down.",
    "mutt": "please look\n\n----- Forwarded message from Mia <mia@shop.example> -----\n\n"
    "Date: Mon, 5 Jan 2026 10:00:00 +0100\nFrom: Mia <mia@shop.example>\nSubject: Prod\n\n"
    "It is down.\n\n----- End forwarded message -----",
    "notes": "please look\n\n----- Forwarded by Ana Smith/Example on 05.01.2026 10:00 -----\n\n"
    "From:\tMia Jones/Shop\nTo:\tAna Smith/Example\nDate:\t05.01.2026 09:00\nSubject:\tProd\n\n"
    "It is down.",
    "bold headers": "please look\n\n*From:* Mia <mia@shop.example>\n*Sent:* Monday 10:00\n"
    "*To:* Ana\n*Subject:* Prod\n\nIt is down.",
    "express, of a mail of the agent": "please look\n\n---------- Forwarded message ---------\n"
    "From: Agent <agent@example.org>\nDate: Mon, 5 Jan 2026\nSubject: Prod\n"
    "To: <mia@shop.example>\n\nIt is down.",
}

_TO_AGENT = "To: Agent <agent@example.org>\n"

REPLIES = {
    "outlook": "please look\n\n________________________________\nFrom: Agent <agent@example.org>\n"
    "Sent: Monday, 5 January 2026 10:00\nTo: Ana\nSubject: Prod\n\nIt is down.",
    "outlook, names only": "please look\n\nFrom: Deploy Agent\nSent: Monday, 5 January 2026\n"
    "To: Ana Smith\nSubject: Prod\n\nIt is down.",
    "outlook fi": "please look\n\nLähettäjä: Agent <agent@example.org>\nLähetetty: 5.1.2026\n"
    "Vastaanottaja: Ana\nAihe: Prod\n\nIt is down.",
    "outlook, in a language that we do not know": "please look\n\n"
    "Saatja: Agent <agent@example.org>\nSaadetud: 5. jaanuar 2026 10:00\nAdressaat: Ana\n"
    "Teema: Prod\n\nIt is down.",
    "outlook, plain text": "please look\n\n-----Original Message-----\n"
    f"From: Mia <mia@shop.example>\nSent: 5 January 2026\n{_TO_AGENT}Subject: Prod\n\nIt is down.",
    "to somebody who wrote to the agent, too": "please look\n\nFrom: Mia <mia@shop.example>\n"
    f"Sent: 5 January 2026\n{_TO_AGENT}Subject: Prod\n\nIt is down.",
    "gmail": "please look\n\nOn Mon, 5 Jan 2026 at 10:00, Agent <agent@example.org> wrote:\n\n"
    "> It is down.",
    "gmail, of a forward": "please look\n\nOn Mon, 5 Jan 2026 at 10:00, Ana <ana@x.org> wrote:"
    "\n\n> ---------- Forwarded message ---------\n> From: Mia <mia@shop.example>\n"
    "> Date: Mon, 5 Jan 2026\n> Subject: Prod\n>\n> It is down.",
    "outlook, of a forward": "please look\n\nFrom: Agent <agent@example.org>\n"
    "Sent: 5 January 2026\nTo: Ana\nSubject: Prod\n\n"
    "From: Mia <mia@shop.example>\nSent: 4 January 2026\nTo: Ana\nSubject: Prod\n\nIt is down.",
    "apple": "please look\n\n> On 5 Jan 2026, at 10:00, Agent <agent@example.org> wrote:\n> \n"
    "> It is down.",
}


HTML_FORWARDS = {
    "outlook desktop": "<p class=MsoNormal>please look<o:p></o:p></p><p class=MsoNormal><o:p>"
    '&nbsp;</o:p></p><div><div style="border:none"><p class=MsoNormal><b>From:</b> Mia Jones '
    "&lt;mia@shop.example&gt; <br><b>Sent:</b> Monday, 5 January 2026 10:00<br><b>To:</b> "
    "Ana Smith &lt;ana@example.org&gt;<br><b>Subject:</b> Prod<o:p></o:p></p></div></div>"
    "<p class=MsoNormal><o:p>&nbsp;</o:p></p><p class=MsoNormal>It is down.</p>",
    "outlook web": '<div>please look</div><div id="appendonsend"></div><hr>'
    '<div id="divRplyFwdMsg" dir="ltr"><font face="Calibri"><b>Från:</b>'
    " Mia Jones &lt;mia@shop.example&gt;<br><b>Skickat:</b> den 5 januari 2026 10:00<br>"
    "<b>Till:</b> Ana Smith<br><b>Ämne:</b> Prod</font><div>&nbsp;</div></div><div>"
    "It is down.</div>",
    "gmail": '<div dir="ltr">please look<br><br><div class="gmail_quote">'
    '<div dir="ltr" class="gmail_attr">---------- Forwarded message ---------<br>'
    'From: <strong class="gmail_sendername" dir="auto">Mia</strong> <span dir="auto">'
    '&lt;<a href="mailto:mia@shop.example">mia@shop.example</a>&gt;</span><br>'
    "Date: Mon, 5 Jan 2026 at 10:00<br>Subject: Prod<br>"
    'To:  &lt;<a href="mailto:ana@example.org">ana@example.org</a>&gt;<br></div><br><br>'
    "It is down.</div></div>",
    "apple": '<html><body>please look<br><div><br><blockquote type="cite"><div>'
    'Begin forwarded message:</div><br class="Apple-interchange-newline">'
    '<div style="margin:0"><span style="x"><b>From: </b></span><span>'
    'Mia &lt;<a href="mailto:mia@shop.example">mia@shop.example</a>&gt;<br></span></div>'
    '<div style="margin"><span><b>Subject: </b></span><span><b>Prod</b><br></span></div>'
    "<div><span><b>Date: </b></span><span>5 January 2026 at 10:00:00 CET<br></span></div>"
    "<div><span><b>To: </b></span><span>ana@example.org<br></span></div><br><div>"
    "It is down.</div></blockquote></div>",
    "thunderbird": '<p>please look</p><div class="moz-forward-container"><br><br>'
    '-------- Weitergeleitete Nachricht --------<table class="moz-email-headers-table">'
    "<tbody><tr><th>Betreff: </th><td>Prod</td></tr><tr><th>Datum: </th><td>"
    "Mon, 5 Jan 2026 10:00:00 +0100</td></tr><tr><th>Von: </th><td>"
    "Mia &lt;mia@shop.example&gt;</td></tr><tr><th>An: </th><td>ana@example.org</td></tr>"
    "</tbody></table><br><br>It is down.</div>",
}
