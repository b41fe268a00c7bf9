//! Phrases in English, Spanish and French, on the normal form: what asks for an end, what only sounds like it, what gives doubt.

use regex::Regex;
use std::sync::LazyLock;

/// Joins patterns into one regular expression of whole words. `{msg}` stands for every word for a message.
fn any(patterns: &[&str]) -> Regex {
    let joined = patterns
        .iter()
        .map(|pattern| format!("(?:{pattern})"))
        .collect::<Vec<_>>()
        .join("|")
        .replace("{msg}", MSG)
        .replace("{msgs}", MSGS)
        .replace("{msging}", MSGING)
        .replace("{not}", NOT)
        .replace("{time}", TIME);
    Regex::new(&format!(r"(?-u:\b)(?:{joined})(?-u:\b)"))
        .expect("the patterns are fixed and a test reads them all")
}

const MSG: &str = "(?:texts?|txts?|messages?|msgs?|mesages?|sms|emails?|mails?|calls?|spam|spams|ads?|adverts?|notifications?|notices|alerts?|promos?|promotions?|marketing|offers|updates|solicitations?|robo ?texts?|robo ?calls?|crap|shit|junk|bs|contact|communications?)";
const MSGS: &str = "(?:texts|txts|messages|msgs|mesages|sms|emails|mails|calls|spam|ads|adverts|notifications|alerts|promos|promotions|marketing|solicitations?|robo ?texts|robo ?calls|crap|junk|communications?)";
const MSGING: &str = "(?:text|texting|textin|txt|txting|txtin|ringing|message|messaging|msg|msging|sms|email|emailing|mailing|call|calling|contact|contacting|sending|send|spamming|bothering|bugging|harassing|annoying|soliciting|pestering|bombarding|hounding|pinging|blowing|reaching|writing|communicating|disturbing|advertising|marketing|hitting)";
const NOT: &str = "(?:dont|do not|dnt|donot|never|please no|not to|didnt ask you to|stop)";
const TIME: &str = r"(?:[0-9]+(?:am|pm|h|ish)?|noon|midnight|dark|work|lunch|dinner|school|hours|church|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(?:mon|tues|wednes|thurs|fri|satur|sun)day|next|tomorrow|tonight)";

/// What a phone makes of a thumb on our message: it quotes our own "Reply STOP".
pub(super) fn is_reaction(text: &str) -> bool {
    [
        "liked ",
        "loved ",
        "disliked ",
        "laughed at ",
        "emphasized ",
        "questioned ",
        "reacted ",
        "removed a like from ",
        "removed a heart from ",
    ]
    .iter()
    .any(|start| {
        text.strip_prefix(start)
            .is_some_and(|rest| rest.split(' ').count() > 4)
    })
}

/// Stop words that stand for something else: a stop by the house, a leak that will not stop, the end of the street, an
/// appointment that is cancelled, a preference of hours.
static HARMLESS: LazyLock<Regex> = LazyLock::new(|| {
    any(&[
        // Our own words, quoted back.
        r"(?:reply|text|txt|send) stop to (?:opt out|end|cancel|unsubscribe|quit|stop)",
        // Not stopping, or somebody else stopping.
        r"(?:dont|do not|never|not|wont|will not|cant|cannot|couldnt|doesnt|does not|didnt|did not|isnt|hasnt|wouldnt|without|non|ever|nothing will) (?:just |ever |always )?(?:stop|stopping|quit|end|unsubscribe|opt out|cancel)(?: (?:texting|messaging|calling|sending|emailing|contacting)(?: me| us)?)?",
        r"(?:did|have|has|had|when|where|once|before|after|until|why did|then|would|could|should) (?:you|u|yall|they|he|she|it|we|i|someone|the \w+) (?:ever |just |all |guys )?stop(?: (?:texting|messaging|calling|sending|emailing|contacting|by))?",
        r"(?:bus|truck|pit|rest|full|next|first|last|second|train|tram|door|one|back|gas|metro|subway|whistle|emergency|your|our|a|the|another|every|each|quick|only|final|this) stop(?: sign| light| valve| cock| button| tap| shop)?",
        r"(?:e|auto|hard) stop",
        r"stop (?:by|at|in|over|off|on|for|near|here|there|outside|along|around|into|past|through|across|valve|valves|cock|sign|light|watch|gap|button|tap|taps|working|leaking|running|dripping|draining|flushing|heating|cooling|turning|making|raining|flooding|spraying|overflowing|smelling|bleeding|responding|charging|moving|growing|water|flow|work|job|and (?:see|look|check|give|take|get|pick|have|talk|say)|to (?:see|look|check|get|pick|talk|give|grab|say))",
        r"stop (?:the|a|that|this|my|our|all the|any) (?:\w+ )?(?:leak|leaks|leaking|water|drip|dripping|flood|flooding|flow|noise|smell|bleeding|valve|toilet|pipe|damage|drain|shower|heater|work|job|process|project|order|install|installation|repair|delivery|payment|charge|rust|mold|draft|crack|cracks|rot|car|van|truck|appointment|clock|gas)",
        r"(?:makes|making|get|getting|to make|you make|we make|i make) (?:it|the \w+|this \w+) (?:to )?stop",
        r"make (?:the|this|that|my) \w+ stop",
        r"(?:want|need|like|love|got|get|have|trying|try|tried|going|able|how) (?:(?:it|the \w+|my \w+|this \w+|water|rain) )?to stop (?:the|it|this leak|that leak|a|water|by|at|in|over|and)",
        r"(?:water|leak|rain|snow|noise|dripping|drip|it|that|toilet|heater|furnace|pump|alarm|beeping|dog|bleeding|flow) (?:(?:will|to|finally|did|does|just|always|would|must|should) )*stop(?:s|ped)?",
        r"stop (?:date|time|number|sign|watch)",
        r"(?:he|she|they|we|it|who|someone|somebody|\w+) (?:will|ll|can|might|may|should|could|must|has to|is going to|are going to) stop",
        r"(?:you|u|we) can stop (?:looking|searching|waiting|here|worrying|now)",
        r"stop (?:payment|looking|worrying|using|drinking|smoking|eating|driving|walking|watering)",
        r"off (?:of )?(?:the|your) list price",
        r"stop (?:it|this|that|them|water) from (?:leaking|freezing|dripping|running|happening|spreading|getting|coming|overflowing|flooding|moving|going|making|breaking|cracking|smelling)",
        r"stop (?:lifting|bending|standing|climbing|cooking|washing|playing)",
        r"(?:unsubscribe|opt out|cancel|remove|stop) (?:from )?what$",
        r"spam (?:folder|filter)",
        r"enough for (?:now|today|me|us|one day)",
        // Ends that are places, times or things; quitting machines.
        r"end of",
        r"(?:the|this|that|your|our|my|week|month|year|days|weeks|months|years|dead|front|back|rear|both|other|far|deep|each|either|left|right|low|high|tail|by|at|on|in|north|south|east|west|kitchen|which|high) end",
        r"end (?:up|date|time|unit|cap|caps|table|user|result|goal|to end|house|townhouse|piece|wall|by|at|around|before|after)",
        r"(?:just |finally |has |had |have |about to |going to |it |furnace |heater |unit |ac |motor |pump |job |smoking )quit(?: (?:working|on me|on us|running|heating|cooling|smoking|my job|again|last|yesterday|today|this))?",
        r"quit (?:working|on me|on us|running|heating|cooling|smoking|my job|again)",
        // Appointments and orders.
        r"(?:cancel|canceling|cancelling|reschedule|remove|delete|drop|take)(?: (?:me|us|my|our|the|that|this|for|from|of|off|all|it|today|todays|tomorrow|tomorrows|first|second|other|last|next|previous|upcoming|both|and|or|another|a|an|his|her|their|tonights|\w+days?|[0-9]+(?:am|pm)?|am|pm|oclock|morning|afternoon|evening|noon|am)){0,7} (?:appointment|appointments|appt|apt|apts|booking|bookings|reservation|visit|visits|order|orders|job|jobs|quote|quotes|estimate|estimates|inspection|slot|schedule|calendar|waitlist|waiting list|service call|call out|callout|repair|installation|install|delivery|pickup|tune up|cleaning|checkup|meeting|session|time|tomorrow|monday|tuesday|wednesday|thursday|friday|saturday|sunday|today|plumber|technician|tech|viewing|tour|showing|consultation|lesson|class|demo|trip|check|payment|card|cita|rendez vous|rdv)",
        r"(?:need|have|had|want|wanted|like|going|got|possible|able|how do i|can i|could i|can we|may i) (?:\w+ )?(?:to )?cancel (?:for|on|at|our|my|it|and|but|because|due|until|tomorrow|today)",
        r"cancel and (?:rebook|reschedule|book|move)",
        r"(?:cancel|cancellation|opt out) (?:policy|fee|fees|charge|window|rate)",
        // Hours, and things one does not call.
        r"(?:dont|do not|never|please no) (?:call|text|message|contact|email|disturb|bother|wake|send)(?: me| us| him| her| here| anyone| anybody| someone| \w+ to me)?(?: please)? (?:before|after|until|till|til|past|between|during|while|on|at|earlier than|later than) (?:about )?{time}",
        r"(?:dont|do not|never|no need to) (?:call|contact|text|message|email|bother|send|write) (?:the|my|him|her|them|anyone|anybody|it|your|a|an|out|in|someone|somebody|for)(?: \w+)?",
        r"no need to (?:call|contact|text|message|email|reply|respond)(?: me| us| back)*",
        r"dont (?:bother|worry)(?: with| about)?",
        // A number that was written down wrong.
        r"(?:i |we |you |he |she |they |my \w+ )?(?:gave|given|entered|typed|put|wrote|left|had|quoted|called|dialed|has|listed|posted) (?:\w+ ){0,3}wrong (?:number|person|phone)",
        r"wrong (?:number|phone) (?:i called|we called|of|on|for|in|at|down|the|initially|earlier|before|plate|plates|size)",
        r"(?:house|unit|model|part|serial|door|account|invoice|policy|plate) (?:\w+ )?(?:the )?wrong number",
        // Spanish and French neighbours.
        r"cancelar (?:mi|la|una|nuestra|el) (?:cita|visita|orden|pedido|reserva|turno|servicio)",
        r"(?:presion|voz|tension|temperatura|luz|planta|nota|muy|esta|mas|parte|calle|la) (?:\w+ )?(?:baja|alto|alta)",
        r"(?:baja|alto) (?:presion|temperatura|costo|precio|nivel|voltaje|voltaje|riesgo|calidad)",
        r"no llam\w+ a(?:l \w+| (?:mi|la|su) (?:esposo|esposa|marido|mujer|casa|oficina|trabajo|jefe|jefa|mama|papa|hijo|hija|vecino|vecina|inquilino|inquilina|duena|duenos?))",
        r"no mas (?:tarde|temprano|de|que|alla)",
        r"(?:no|nunca) (?:para|paran|deja|dejan|paraba)(?: de \w+)?",
        r"arret (?:de|du|d) \w+",
        r"(?:ne|n) (?:s|se |sen )?arrete\w*(?: (?:pas|plus|jamais))?",
        r"narrete\w*(?: (?:pas|plus|jamais))?",
        r"sarrete\w*(?: (?:pas|plus|jamais))?",
        r"arretez vous",
        r"annuler (?:mon|ma|le|la|notre|un|une) (?:rendez vous|rdv|commande|visite|reservation|devis|intervention)",
        r"fin (?:de|du|d) \w+",
        r"plus (?:d|de) (?:eau|chauffage|courant|pression|gaz|temps|details|infos|renseignements|lumiere)",
    ])
});

/// What asks for an end although a part of it looks harmless.
static CERTAIN: LazyLock<Regex> = LazyLock::new(|| {
    any(&[
        r"(?:dont|do not|never) (?:ever )?(?:text|txt|message|msg|contact) (?:my|our) (?:phone|cell|number|line)(?: (?:again|anymore|any more|ever|please|at all|thanks))*$",
        r"quiero (?:la|darme de|dar de) baja",
        r"^(?:svp |merci )?(?:arretez|arrete|stop) (?:tout de suite|maintenant|immediatement)$",
    ])
});

/// The part that asks for an end whatever stands around it.
pub(super) fn certain(text: &str) -> Option<String> {
    CERTAIN.find(text).map(|found| found.as_str().to_owned())
}

/// Blanks what only sounds like a stop.
pub(super) fn clear_harmless(text: &str) -> String {
    HARMLESS.replace_all(text, "~").into_owned()
}

/// One way of contact instead of another: something to respect, but no end.
static PREFERENCE: LazyLock<Regex> = LazyLock::new(|| {
    any(&[
        r"(?:dont|do not|stop|quit|rather you not|prefer you not) (?:call|calling|phone|phoning)(?: me| us)?(?: please)?(?: (?:just|only|you can|id rather|i prefer|please|and|but|instead|use|rather))* (?:text|message|email|sms|whatsapp|txt)(?: me| us)?(?: instead| only| please)?$",
        r"(?:dont|do not|stop|quit) (?:text|texting|txt|messaging|message)(?: me| us)?(?: please)?(?: (?:just|only|you can|id rather|i prefer|please|and|but|instead|use|rather))* (?:call|email|phone|ring)(?: me| us)?(?: instead| only| please)?$",
        r"dont want (?:a|any) (?:call|phone call|calls)(?: back)? (?:just|only|please|but) (?:text|email|message)(?: me)?",
    ])
});

/// A wish for another channel.
pub(super) fn preference(text: &str) -> Option<String> {
    PREFERENCE.find(text).map(|found| found.as_str().to_owned())
}

static STOP: LazyLock<Regex> = LazyLock::new(|| {
    any(&[
        // Stop doing it.
        r"(?:stop|quit|cease|halt|discontinue|knock off|cut out|no more|enough)(?: (?:with|w|of|all|the|these|those|this|your|ur|it|me|us|that|to|any|already|please|and|desist|fucking|freaking|damn|from|now|my|sending|getting|receiving|unwanted|stupid|annoying|daily|constant|automated|future|further|other|more|promotional|marketing|dumb|so|many|text|phone)){0,5} (?:{msging}|{msg})",
        r"stop (?:it|this|that|these|those|now|already|all|everything|please|immediately|thanks|thank you|asap|me)$",
        r"^(?:no |ok |please |just |hey |again |listen |seriously |dude |man |bro |yo )*stop (?:i|im|ive|you|u|your|ur|who|we|this is|it is|its|or|bothering|thank|pls|plz|please|god|no|dont|never|leave|lose|remove|thanks|already|right now)(?: |$)",
        r"^(?:please |just )?stop (?:before i (?:report|block|call|sue|complain)|my (?:wife|husband|mother|father|mom|dad|son|daughter|brother|sister|partner) (?:died|passed|is|has))",
        r"(?:told|asked|said|say|saying|ask|tell|telling|asking|beg|begging|want|need|would like|like|please|already|interested|again|interesado|times|now|ok|okay|enough|number|wrong person|thanks|no|texted|typed|replied|sent|wrote|annoying|harassing|harassment|ridiculous|spam|creepy) (?:you |u |yall |this |these |them |everything |it all |i |said |guys |please |to |just |me |all |that |texts |messages )*stop$",
        r"please stop(?: (?:this|it|that|now|all of this|already|thanks|thank you|everything))?$",
        r"cease and desist",
        r"remove (?:this |it |that )?(?:number )?from (?:your |the |this |ur )?(?:list|database|system)",
        r"(?:done|finished) with (?:your|these|ur|the|all these) {msgs}",
        r"no more of (?:these|this|that|those)",
        r"(?:what|which) part of stop",
        r"stop with (?:these|those|them|that|this|it)$",
        r"interested (?:in )?(?:getting |receiving )?(?:any |your |these |more |further |in )*{msgs}",
        r"interested (?:and |so |thanks |thank you |please |pls |just |now )*(?:remove|unsubscribe|unsub|delete|take me off|lose my|goodbye)",
        r"(?:deactivate|disable|turn off|shut off|switch off|mute|terminate|end|stop|discontinue)(?: (?:my|the|your|these|this|all|text|sms|email|marketing|of))* (?:{msgs}|subscription|subscriptions)",
        // Off the list.
        r"(?:take|get|pull|leave|keep|cross|scratch|strike|drop|remove|delete|clear) (?:me|us|my (?:\w+ )?(?:number|no|num|phone|cell|name|info|contact|email|address)|this (?:number|phone|cell|line)|our (?:number|name)|number)(?: please)?(?: (?:right|now))? (?:off|out of|out|from)(?: of)?(?:$| (?:your|ur|the|this|these|all|any|that|here|there|everything|list)(?: \w+)?)",
        r"(?:remove|delete|erase|lose|forget|drop|purge|wipe|clear) (?:me|us|my (?:\w+ )?(?:number|no|num|digits|cell|name|info|information|details|contact|contacts|data|email)|this (?:number|phone|cell)|our (?:number|info|information|data)|number)",
        r"(?:off|out of|from) (?:of )?(?:your|ur|this|the|all) (?:(?:text|texting|txt|sms|email|mailing|mail|call|calling|contact|marketing|phone|message|messaging|spam|stupid|damn|dumb) )?(?:list|lists|database|data base|mailing|mailings|distribution|contacts|campaign|subscription)",
        r"(?:take|want|get|let) (?:me )?(?:out|off)(?: of (?:this|these|here))?$",
        // Do not.
        r"{not} (?:ever |you |even |please |keep |be |continue |u |fucking |try to |dare )*{msging} (?:me|us|this (?:number|phone|cell|line|anymore|again)|here|my (?:phone|cell|number|work|house)|again|any|anymore|any more|ever|back|to me|at|or|text|call|further)",
        r"(?:do not|dont|donot|dnt) (?:ever )?(?:contact|text|txt|message|disturb|email|call|solicit|spam|bother)(?: or (?:text|call|email|message|contact))*$",
        r"(?:do not|dont) (?:send|text|message|mail|email)(?: (?:me|us))?(?: (?:any|no|these|this|more|anymore|those|anything|your|further|such|other|text|stuff))* (?:{msg}|anything|anymore|more|again|stuff|these|this)",
        r"(?:do not|dont) send$",
        r"do not (?:call|contact|text|mail) (?:list|registry)",
        // Do not want.
        r"(?:dont|do not|no longer|didnt|did not|never|dnt|not) (?:want|wish|care|like|wanna|wanted|asked|ask|looking)(?: (?:to|for|any|more|your|ur|these|this|those|receive|receiving|get|getting|be|you|u|anymore|the|hear|have|see|from|further|stupid|of|getting|text|all|keep|sending|me|us|read)){0,7} (?:{msgs}|text messages?|hear from (?:you|u|yall|this|your|anyone|them|ya)|contacted|texted|messaged|called|bothered|emailed|contact me|any contact|contact|texting me|text me|calling me|messaging me|emailing me|anything from you|these anymore|this anymore|these)",
        r"(?:dont|do not) want (?:this|these|any of this|any of these|it anymore|this anymore|any more|anything else|nothing)$",
        r"no longer (?:want|wish|need|require|care)(?: to)?(?: (?:receive|get|be|hear|have|your|any|these|this))",
        r"(?:no more|no further|zero|enough|not another|^(?:please |just |and |want )*no) (?:of )?(?:(?:your|ur|these|this|the|any|more|text|please|of|stupid|damn|marketing|promotional|unsolicited|spam) )*(?:{msgs}|message|text|texting|calling|contacting|messaging)(?: please| anymore| ever| again| from you| thanks| thank you| to me| to this number)*$",
        r"(?:no more|no further) (?:{msg}|texting|calling|contacting)",
        // Consent.
        r"(?:revoke|revoking|withdraw|withdrawing|rescind|retract)(?: (?:my|all|any|the|this|previous|prior))*(?: (?:consent|permission|authorization|authorisation|approval|agreement|opt in))",
        r"(?:dont|do not|never|not) (?:give |have |grant )?(?:you )?(?:my )?(?:consent|permission) (?:to|for) (?:\w+ ){0,3}(?:{msging}|{msg}|contacted|texted|called)",
        r"(?:i )?(?:do not|dont) consent",
        r"(?:consent|permission) (?:is |has been )?(?:revoked|withdrawn)",
        r"opt(?:ing)?(?: me| us| my number| this number)? out",
        r"(?:want|like|wish|need|choose|going|trying) to (?:opt out|unsubscribe|be removed|be taken off|be unsubscribed|(?:get|be) off(?:$| (?:of )?(?:this|your|the|ur) (?:\w+ )?(?:list|lists|texts|thread|chat)))",
        r"(?:please )?unsub(?:scribe|scribed|scribing)?",
        // However it is spelt.
        r"un ?su\w{2,7}be?",
        r"(?:want|wish|like|wanna|need) to (?:stop|quit) (?:getting|receiving|hearing|seeing)",
        r"stop (?:this|that|the|your|ur|with this|with the|all this) (?:nonsense|madness|harassment|bs|bullshit|shit|crap|garbage|foolishness|stupidity)",
        r"cancel(?: (?:all|my|the|these|this|your|any|further|future|text|sms|email|daily|weekly|of))* (?:subscription|subscriptions|texts|txts|messages|msgs|text messages|sms|alerts|notifications|emails|newsletter|mailings|promotions|promos|ads|calls)",
        // Go away.
        r"(?:leave|let) (?:me|us|my \w+) (?:alone|be|the (?:fuck|hell) alone|tf alone|in peace)",
        r"(?:lose|forget|delete|burn) (?:my|this) number",
        r"(?:fuck|piss|f|bugger|buzz|sod|eff|shove|back) (?:right )?off",
        r"(?:get lost|get bent|shut up|go to hell|go fuck|stfu|kick rocks|take a hike|bug off|gtfo|go the fuck away|please go away|just go away)",
        r"(?:knock|cut) it (?:off|out)",
        // Not the person.
        r"(?:you have|you got|u got|you ve got|youve got|uve got|u have|got|have|this is|its|it is|sorry|think its|ur texting|reached|texting|texted|messaging|wrong person|called|dialed|at|the|a|^)(?: (?:the|a|an|you|this|reached))* ?wrong (?:number|person|guy|lady|woman|man|phone|phone number|cell)",
        r"wrong (?:number|person|phone number)(?: (?:stop|sorry|please|remove me|bro|dude|lol|buddy|bud|friend|man|thanks|again))*$",
        r"(?:this|that) is not (?:his|her|their) (?:number|phone)(?: anymore)?",
        r"this is no longer (?:his|her|their|\w+) (?:number|phone)",
        // Spanish.
        r"(?:dejen?|dejes|deja|pare|paren|para|cesen|basta|alto|parar|dejar|detener|detengan?|detenganse|suspendan?)(?: (?:ya|por favor))* (?:de|con|los|sus|tus|estos|tantos|a los)(?: (?:me|los|estos|sus|tus|tantos|mas|este|el|estar))* ?(?:enviar\w*|mandar\w*|escribir\w*|llamar\w*|molestar\w*|contactar\w*|textear\w*|mensajear\w*|mensajes?|textos?|sms|spam|correos?|llamadas?|joder\w*|acosar\w*|recibir|recibiendo|mandando|enviando)",
        r"(?:no|nunca|ya no|jamas)(?: (?:me|nos|quiero que me|vuelvan a|vuelva a|vuelvas a|se|mas))* (?:mand\w+|envi\w+|escrib\w+|llam\w+|contact\w+|molest\w+|text\w+|mensaj\w+)(?: (?:por favor|a mi|a este numero|me|nunca|mas|ningun|ningunos|nada|otros|tantos|sus|estos|esos|otro|de nuevo|otra vez|ya|mensajes?|textos?|sms|correos?|llamadas?|aqui|jamas))+",
        r"(?:no|ya no)(?: me| nos)? (?:molest(?:e|en|es|ar)|escriba[ns]?|contacte[ns]?|llame[ns]?|textee[ns]?|mande[ns]?|envie[ns]?)$",
        r"(?:no|ya no) (?:quiero|deseo|necesito|quisiera|me gusta)(?: (?:mas|recibir|que me|tener|sus|tus|estos|seguir|recibiendo|ningun|de|sus|esos|ver|saber|nada))* (?:mensajes?|textos?|sms|correos?|llamadas?|publicidad|promociones|ofertas|anuncios|envien|manden|escriban|llamen|contacten|molesten|contacto|de ustedes|saber de)",
        r"(?:no|ya no) (?:quiero|deseo) (?:recibir|que me)",
        r"(?:quit|sac|borr|elimin|retir|remuev)\w* (?:mi numero|mi telefono|mi nombre|mis datos|este numero|de (?:la|su|sus|esta|tu) lista\w*)(?: de (?:la|su|tu|sus) \w+)?",
        r"(?:quiten?me|quitame|saquen?me|sacame|borren?me|borrame|eliminen?me|eliminame|retiren?me|remuevan?me)(?: de (?:la|su|tu|esta|sus|aqui|esto)(?: \w+)?)?",
        r"(?:dejen?me|dejame|dejenos) (?:en paz|tranquil[oa]|de molestar)",
        r"(?:numero|persona) equivocad[oa]",
        r"(?:esta|estan|estas|se) (?:equivocad[oa]s?|equivoco|equivocaron|equivocaste)(?: de (?:numero|persona))?",
        r"(?:cancelar|cancelen?|anular|cancela)(?: (?:la|mi|mis|esta|los|todos|todas|estos|sus))* (?:suscripcion|suscripciones|mensajes|textos|alertas|notificaciones)",
        r"(?:dar|denme|deme|dame|darme|darse|quiero) (?:me )?(?:de )?(?:la )?baja",
        r"(?:des|de)(?:suscrib|inscrib|subscrib)\w+",
        r"(?:no mas|basta de|alto a los|ya no mas|ni un mensaje mas|ningun mensaje mas)(?: (?:mensajes?|textos?|sms|spam|llamadas?|correos?|publicidad))",
        r"no (?:me |nos )?vuelv\w+ a (?:escribir|llamar|mandar|contactar|enviar|molestar|textear|buscar)\w*",
        r"(?:parenle|parale|ya parenle|parele)(?: ya)?",
        // French.
        r"(?:d?arret\w*|cesse\w*|stoppe\w*|stop)(?: (?:tout|de suite|svp|immediatement))*(?: (?:de|d|avec|les|vos|ces|tous|a|aux|au|la))*(?: (?:me|m|nous|mes))* ?(?:m|d|dm)?(?:envoyer|ecrire|contacter|appeler|texter|harceler|spammer|embeter|deranger|envois?|messages?|sms|textos?|pubs?|publicites?|appels?|mails?|courriels?|emmerder|solliciter|importuner|relancer|recevoir|envoi)",
        r"ne (?:me |m|nous )?(?:(?:re)?contactez|ecrivez|(?:r)?appelez|envoyez|textez|derangez|harcelez|contacte|ecris|appelle|envoie|texte|mecrivez|mappelez|menvoyez|mecris|mappelle|menvoie|sollicitez|relancez)(?: (?:plus|jamais|rien|pas de (?:sms|messages?|textos?|pub)))",
        r"(?:plus|pas|aucun|assez|marre|fini)(?: (?:de|d|des|vos|ces|les|un seul|un|autres?))* d?(?:messages?|sms|textos?|pubs?|publicites?|spams?|appels|mails|courriels|sollicitations?)(?: (?:svp|merci|sil vous plait|de votre part|publicitaires?))*$",
        r"je (?:ne )?(?:veux|souhaite|desire|voudrais)(?: (?:plus|pas|ne plus))+(?: (?:de|d|vos|recevoir|etre|que vous|entendre|avoir|ces|aucun))+(?: \w+)*",
        r"(?:retir|enlev|supprim|effac|ot|ray|sort)\w*(?: (?:moi|nous|mon numero|mes coordonnees|mes donnees|mon nom|mon contact|ce numero))(?: (?:de|d|des)(?: \w+)+)?",
        r"(?:laiss\w+|fich\w+|fout\w+)(?: (?:moi|nous)) (?:tranquilles?|la paix|en paix)",
        r"(?:mauvais|faux) numero",
        r"(?:erreur de|pas le bon) numero",
        r"ne plus (?:me |m|nous )?(?:contacter|appeler|ecrire|envoyer|recevoir|deranger|solliciter|texter|relancer|etre)",
        r"(?:me|nous) (?:retirer|enlever|supprimer|effacer|rayer|oter|desinscrire) (?:de|d)",
        r"(?:interess\w+|merci|deja dit|svp) (?:de |d )?(?:arretez|arreter|arret|stop)$",
        r"tromp\w+ de (?:numero|personne)",
        r"(?:me |se |vous |nous )?desabonn\w+",
        r"desinscri\w+(?: moi)?",
        r"(?:je )?(?:retire|revoque) (?:mon )?(?:consentement|accord)",
    ])
});

/// The part that asks for an end.
pub(super) fn stop(clear: &str) -> Option<String> {
    STOP.find(clear)
        .map(|found| found.as_str().trim().to_owned())
}

static DOUBT: LazyLock<Regex> = LazyLock::new(|| {
    any(&[
        r"stop|stopall|unsubscribe|unsub|revoke|revoking|opt out|optout|opted out",
        r"(?:not|no longer|never|isnt|arent|aint|wasnt|nor|un)(?: (?:really|at all|even|that|very|currently))? ?interested",
        r"(?:spam|spamming|spammer|spammers|scam|scammer|scammers|harass|harassing|harassment|stalking|stalker|unsolicited)",
        r"(?:this|you|youre|ur|u|texts|messages|these|its|it is)(?: \w+)?(?: (?:is|are|so|very|really|getting|too))* (?:annoying|ridiculous|creepy|harassing|unacceptable|excessive)$",
        r"(?:sick|tired|fed up|had it|done|had enough)(?: (?:of|with|and))+(?: (?:your|these|this|you|all|the|getting|tired|of))+",
        r"(?:enough already|thats enough|enough is enough|too many (?:texts|messages|calls|emails))",
        r"(?:fuck|screw|f|damn) (?:you|u|yall|this)",
        r"(?:block|blocking|blocked|blocking you|report|reporting|reported)(?: (?:you|u|this number|your number|ur number|as spam|this as|to the|you to|ur))",
        r"(?:tcpa|fcc|ftc|lawsuit|class action|legal action|take you to court|suing|sue you|my lawyer|my attorney)",
        r"(?:how|where|who)(?: (?:did|do|have|gave|give|the|hell|fuck|you|u|they|yall|guys))* (?:get|got|gotten|find|have|you|obtain) my (?:number|info|information|name|cell|contact)",
        r"i (?:never|didnt|did not|dont remember|dont recall|havent)(?: (?:even|ever|once))? (?:sign|signed|signing|subscribe|subscribed|subscribing|agree|agreed|consent|consented|opt|opted|request|requested|requesting|give you|gave you|register|registered)(?: \w+)?",
        r"^(?:\w+ ){0,2}cancel(?: (?:it|that|this|everything|all of it|me|please|us))?(?: \w+)?$",
        r"cancel (?:my |the |our |this )?(?:account|service|services|membership|plan|contract|everything)",
        r"(?:end|quit) (?:it|this|that)$",
        r"count me out",
        r"(?:please )?dont(?: (?:call|text|contact|message|email))$",
        r"no (?:me )?interesa|no estoy interesad[oa]|no (?:estamos )?interesad[oa]s?|acoso|acosando|molestando|estafa",
        r"pas interess\w+|harcelement|harcel\w+|arnaque|ca ne minteresse pas|jen ai marre",
    ])
});

/// The part that leaves a doubt.
pub(super) fn doubt(clear: &str) -> Option<String> {
    DOUBT
        .find(clear)
        .map(|found| found.as_str().trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_can_be_read() {
        for pattern in [&*CERTAIN, &*HARMLESS, &*PREFERENCE, &*STOP, &*DOUBT] {
            assert!(!pattern.as_str().contains('{') || !pattern.as_str().contains("{msg"));
        }
    }
}
