"""What people call the controls of cookie notices and pop-ups.

English, German, French, Spanish, Italian, Portuguese, Dutch, Polish, Swedish, Danish, Norwegian. All in lower case;
a control's whole name has to match, except for ABOUT_COOKIES and DOES_SOMETHING, which are looked for in texts.
"""

import re


def _words(*alternatives: str) -> re.Pattern[str]:
    return re.compile("|".join(alternatives))


ABOUT_COOKIES = _words(
    r"cookie",
    r"\btraceurs?\b",
    r"\bciasteczk",
    r"\binformationskapsl",
    r"\b(?:gdpr|dsgvo|rgpd)\b",
    r"privacy.{0,200}(?:partners|tracking|advertis|personali[sz]ed ads)",
)
ACCEPT = _words(
    r"(?:i |yes, i )?(?:accept|agree|allow|consent)(?: to)?(?: all)?(?: the)?(?: cookies)?"
    r"(?: (?:and|&) (?:close|continue))?",
    r"(?:accept|allow|enable) (?:everything|all)(?: cookies)?",
    r"agree (?:and|&) (?:proceed|continue|close)",
    r"(?:alle(?:s)? )?(?:cookies )?(?:akzeptieren|zulassen|erlauben|annehmen|zustimmen)(?: und (?:schließen|weiter))?",
    r"(?:ich )?(?:stimme(?: allen?)? zu|bin einverstanden)",
    r"einverstanden",
    r"(?:tout |j['’])?accepte[rz]?(?: tout)?(?: les cookies)?(?: (?:et|&) (?:fermer|continuer))?",
    r"tout autoriser",
    r"(?:acepto|aceptar|permitir)(?: (?:todo|todas))?(?: las)?(?: cookies)?(?: y (?:cerrar|continuar))?",
    r"(?:accetto|accetta|consenti)(?: (?:tutto|tutti))?(?: i)?(?: cookie)?(?: e (?:chiudi|continua))?",
    r"(?:aceito|aceitar|concordo)(?: (?:tudo|todos))?(?: os)?(?: cookies)?(?: e (?:fechar|continuar))?",
    r"(?:alle(?:s)? )?(?:cookies )?(?:accepteren|toestaan)",
    r"(?:ik ga )?akkoord",
    r"(?:akceptuję|akceptuj|zaakceptuj|zgadzam się|zezwól)(?: (?:na )?(?:wszystkie|wszystko))?"
    r"(?: (?:pliki )?cookies?)?",
    r"(?:acceptera|godkänn|tillåt|accepter|godkend|tillad|godta|aksepter|tillat)(?: alla| alle)?(?: cookies)?",
)
REFUSE = _words(
    r"(?:reject|refuse|decline|deny)(?: all)?(?: cookies)?",
    r"(?:only )?(?:necessary|essential|required)(?: cookies)?(?: only)?",
    r"(?:use|accept|allow) (?:only )?(?:necessary|essential)(?: cookies)?(?: only)?",
    r"continue without accepting",
    r"(?:nur )?(?:notwendige|essenzielle|erforderliche)(?: cookies)?(?: (?:akzeptieren|zulassen))?",
    r"(?:alle(?:s)? )?ablehnen",
    r"(?:tout )?refuser(?: tout)?",
    r"continuer sans accepter",
    r"rechazar(?: (?:todo|todas))?",
    r"rifiuta(?: (?:tutto|tutti))?",
    r"(?:rejeitar|recusar)(?: (?:tudo|todos))?",
    r"(?:alles )?weigeren",
    r"odrzuć(?: wszystkie)?",
    r"(?:neka|avvisa|afvis|avvis)(?: alla| alle)?",
    r"(?:kun|bare) nødvendige",
    r"endast nödvändiga",
)
DECLINE = _words(
    r"no,? thank(?:s| you)(?:[,!].*)?",
    r"no,? i .{3,40}",
    r"not (?:now|today|interested)",
    r"(?:maybe )?later",
    r"(?:remind|ask) me later",
    r"skip(?: (?:for now|this|tour|intro))?",
    r"don['’]t (?:show|ask)(?: me)?(?: (?:this|that))?(?: again)?",
    r"continue (?:in|on|with) (?:the )?(?:browser|web ?site)",
    r"continue to (?:the )?(?:site|website)",
    r"nein,? danke|jetzt nicht|(?:vielleicht )?später|überspringen",
    r"non,? merci|pas maintenant|(?:peut-être )?plus tard|passer",
    r"no,? gracias|ahora no|(?:quizás )?más tarde|omitir",
    r"no,? grazie|non ora|più tardi|salta",
    r"não,? obrigad[oa]|agora não|(?:talvez )?mais tarde|pular",
    r"nee,? (?:bedankt|dank (?:je|u))|niet nu|misschien later|overslaan",
    r"nie,? dzięk(?:uję|i)|nie teraz|(?:może )?później|pomiń",
    r"nej,? tack|nej,? tak|nei,? takk|(?:inte|ikke) nu|ikke nå|senare|senere|hoppa över",
)
CLOSE = _words(
    r"[x×✕✖✗╳⨯⤫🗙]",
    r"(?:close|dismiss|hide)(?: (?:this|the))?"
    r"(?: (?:dialog|dialogue|modal|window|notice|message|notification|overlay|panel|tip|button|box|icon))?",
    r"(?:fenster |dialog |hinweis )?(?:schließen|schliessen|ausblenden)",
    r"fermer(?: (?:la|le|cette|ce).{0,25})?",
    r"cerrar(?: (?:ventana|diálogo|aviso))?",
    r"chiudi(?: (?:finestra|avviso|banner))?",
    r"fechar(?: (?:janela|aviso))?",
    r"(?:venster )?sluiten",
    r"zamknij(?: okno)?",
    r"stäng(?: (?:fönster|ruta))?|luk(?: vindue)?|lukk(?: vindu)?",
)
# Says itself that it is no part of the page's own work.
CLOSES_A_NAG = _words(
    r"(?:close|dismiss|hide|minimi[sz]e)(?: (?:this|the))?(?: \w+)? ?"
    r"(?:chat|newsletter|promo(?:tion)?|survey|ad|advert(?:isement)?|offer|pop-?up|tour|banner|cookies?)"
    r"(?: (?:window|dialog|banner|pop-?up|box|form|notice|widget))?",
)
UNDERSTOOD = _words(
    r"ok(?:ay)?!?",
    r"got it!?",
    r"(?:i )?underst(?:and|ood)",
    r"that['’]s (?:fine|ok(?:ay)?)",
    r"continue|weiter|continuer|continuar|continua|doorgaan",
    r"verstanden|alles klar",
    r"(?:j['’]ai )?compris|d['’]accord",
    r"entendido|de acuerdo",
    r"(?:ho )?capito",
    r"entendi|begrepen|rozumiem",
    r"(?:jag )?förstår|(?:jeg )?forstår",
)
# Beside “OK”, it makes a question of the page's own of it.
CANCEL = _words(
    r"cancel|no|go back|abort",
    r"abbrechen|nein|zurück|annuler|non|cancelar|annulla|annuleren|nee|anuluj|nie|avbryt|nej|annuller|nei",
)
# What such things ask for; leaving it by Escape does nothing.
WANTS = _words(
    r"(?:subscribe|sign ?up|join|get|claim|unlock|reveal|shop|learn|read|find out|see|download|install) ?.*",
    r"(?:open|use) (?:the |our |in )?app",
    r"(?:allow|enable|turn on) notifications",
    r"start (?:tour|chat).*",
    r"(?:jetzt )?(?:abonnieren|anmelden)",
    r"s['’](?:abonner|inscrire)",
    r"suscribirse|suscríbete|iscriviti|inscrever-se|inschrijven|zapisz się|prenumerera",
)
# One of these among its controls: the page itself asks, and an answer would do something.
DOES_SOMETHING = _words(
    r"\b(?:delete|remove|discard|erase|archive|reset|overwrite|replace|terminate|withdraw|revoke|deactivate)\b",
    r"\b(?:send|submit|pay|buy|purchase|order|check ?out|transfer|refund|donate|book|approve|confirm|save)\b",
    r"\b(?:apply|proceed|yes|leave|stay|keep)\b",
    r"\bsign\b(?! ?up)",
    r"\b(?:log|sign) ?(?:in|out|off)\b",
    r"\bcancel \w+",
    r"\b(?:add|create|update|merge|move|assign|schedule|upload|import|print|next|retry|reload|refresh)\b",
    r"\b(?:löschen|entfernen|verwerfen|senden|bezahlen|kaufen|bestätigen|speichern|ja|abmelden|hinzufügen)\b",
    r"\b(?:supprimer|effacer|envoyer|payer|acheter|confirmer|enregistrer|oui|valider|ajouter)\b",
    r"\b(?:eliminar|borrar|enviar|pagar|comprar|confirmar|guardar|sí|excluir|apagar|salvar|sim)\b",
    r"\b(?:elimina|cancella|invia|paga|acquista|conferma|salva|sì)\b",
    r"\b(?:verwijderen|verzenden|betalen|bevestigen|opslaan)\b",
    r"\b(?:usuń|wyślij|zapłać|potwierdź|zapisz(?! się)|tak)\b",
    r"\b(?:ta bort|skicka|betala|bekräfta|spara|slet|bekræft|gem|lagre)\b",
)
