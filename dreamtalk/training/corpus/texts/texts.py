"""What the voices say: written for the corpus, so that every diphone turns up.

Three sources are mixed: whole sentences, sentences from a small grammar, and strings of invented
words that put every consonant beside every vowel, which neither of the others does.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

ENGLISH: tuple[str, ...] = (
    "Please bring the blue paper map back before five.",
    "My mother made a pumpkin pie, but Bob and Pam never came by.",
    "We both agreed that the weather was far too warm for a long walk.",
    "Could you tell me how much the other ticket costs?",
    "I think about the ocean whenever I hear that strange old song.",
    "Few people knew what the very first view from the tower revealed.",
    "You should choose a smooth route through the woods.",
    "The judge measured the vision of a large, usual treasure.",
    "What a beautiful morning! Open the window and breathe.",
    "Thirty thousand things happened on Thursday, he thought.",
    "Peter put a purple box upon the big table.",
    "Maybe my memory of summer is mostly imagination.",
    "She was wearing a yellow raincoat and worn brown boots.",
    "No, I do not know where the boat goes now.",
    "Our house is out on the south side, around the corner.",
    "The boy enjoyed the noise of boiling oil.",
    "Keep the green key near the screen, please.",
    "Look, the cook took a good book from the wooden hook.",
    "A happy family has to have five fresh apples every evening.",
    "Welcome, everybody. Today we will talk about the weather on Mars.",
    "If you believe me, then leave before the bells ring.",
    "Bamboo, balloons, and bubbles bounce behind the barn.",
    "Which version of the film have you watched, and why?",
    "Nobody answered when I asked about the invoice for November.",
    "This is a small step, though it may prove important.",
    "I am so sorry. I never meant to break your vase.",
    "Get out of my way! I told you to stop that.",
    "Oh wow, is it really you? What are you doing here?",
    "The smell of the kitchen was simply awful.",
    "Something moved in the dark, and I could not move at all.",
    "Well, of course they won, they always win, do they not?",
    "Good evening, and thank you for joining us from all over the world.",
    "We choose to look up, because there is more to explore.",
    "A computer that speaks should also move its mouth.",
    "Wash your hands, dry the cups, and put them above the sink.",
    "Every farmer in the valley grows wheat, barley, and grapes.",
    "The camera, the microphone, and the lamp are in the room.",
    "Would you mind if I opened one more problem before lunch?",
    "He poured warm water over four small flowers.",
    "Fishing boats float past the village at half past five.",
    "My phone number is five, seven, zero, four, nine, one, eight.",
    "Twenty six, thirty seven, one hundred and twelve, two thousand.",
    "Ha! That is exactly what a clever fox would say.",
    "They say the ship is shaped like a shell.",
    "Just imagine a major change in the usual schedule.",
    "Her early work was heard by thirsty birds on the third of March.",
    "Up above, the moon has moved behind the mountain.",
    "Ask again about the maps, the apps, and the lamps.",
    "Vivid violet vines cover every available fence.",
    "People improve when problems become possible to solve.",
    "I am.", "Maybe.", "Stop.", "Above all, be brave.", "Yes, please.", "Not now, mom.",
    "Hmm, wait a moment.", "Absolutely.", "Papa came home.", "Remember me.",
)  # fmt: skip

OTHERS: dict[str, tuple[str, ...]] = {
    "de": (
        "Guten Morgen, meine Damen und Herren, willkommen bei uns.",
        "Über sieben Brücken musst du gehen, bevor du müde bist.",
        "Der Bäcker backt am Abend braune Brote und süße Brötchen.",
        "Ich möchte bitte ein Stück Apfelkuchen mit Pflaumenmus.",
        "Warum habt ihr das schöne Haus am Fluss verkauft?",
        "Fünf junge Hühner liefen um den grünen Baum.",
        "Vielleicht kommt meine Mutter am Freitag mit dem Zug.",
    ),
    "fr": (
        "Bonjour, je m'appelle Paul et je viens de Paris.",
        "Une petite pomme rouge est tombée du pommier ce matin.",
        "Nous avons beaucoup d'amis qui habitent au bord de la mer.",
        "Peut-être que le bus numéro huit passe plus tôt.",
        "Elle voudrait un peu de beurre sur du bon pain blanc.",
        "Le feu brûle doucement pendant que la pluie tombe.",
    ),
    "es": (
        "Buenos días, me llamo Pablo y vivo en Sevilla.",
        "Mi abuela prepara un buen plato de arroz con pollo.",
        "El perro de mi primo ladra por la mañana temprano.",
        "Vamos a buscar el mapa para volver a casa.",
        "Hace mucho viento, pero el cielo está azul y bonito.",
        "Nunca he visto un pájaro tan pequeño y hermoso.",
    ),
    "it": (
        "Buongiorno a tutti, oggi parliamo del tempo e della pioggia.",
        "La mamma prepara la pasta con il pomodoro e il basilico.",
        "Mi piace molto bere un buon caffè dopo pranzo.",
        "Il bambino gioca con la palla blu vicino al fiume.",
        "Quanto costa il biglietto per Firenze, per favore?",
        "Abbiamo visto una bella mostra di quadri famosi.",
    ),
    "pt": (
        "Bom dia, meu nome é Maria e eu moro perto da praia.",
        "O menino comprou um pão bem quente na padaria.",
        "A minha família viajou para o campo em novembro.",
        "Você pode me dizer que horas são, por favor?",
    ),
    "ru": (
        "Доброе утро, меня зовут Павел, я живу в Москве.",
        "Мама мыла раму, а папа пил горячий чай.",
        "Большой белый пароход медленно плывёт по реке.",
        "Вы не могли бы повторить ваш вопрос ещё раз?",
        "Бабушка поставила на стол пироги и варенье.",
    ),
    "pl": (
        "Dzień dobry, mam na imię Barbara i mieszkam w Poznaniu.",
        "Proszę powtórzyć pytanie, bo nie usłyszałem.",
        "Mój brat kupił sobie nowy rower i piękną mapę.",
    ),
    "nl": (
        "Goedemorgen, mijn naam is Bram en ik woon in Utrecht.",
        "De bakker verkoopt mooie broden en appelgebak.",
        "Vanmiddag fietsen we met vijf vrienden naar zee.",
    ),
    "tr": (
        "Günaydın, benim adım Pembe ve bugün çok mutluyum.",
        "Babam büyük bir kitap aldı ve bana verdi.",
        "Üç küçük kuş bahçede öttü.",
    ),
    "hi": (
        "नमस्ते, मेरा नाम मोहन है और मैं मुंबई में रहता हूँ।",
        "मेरी माँ बाज़ार से फल और पानी लाती है।",
    ),
}

_WHO = ("my brother", "the mayor", "Emma", "a famous poet", "the whole village", "nobody",
    "Tom and Fay",
        "our youngest pupil", "the captain", "every visitor", "Mister Brown", "the woman upstairs",
        "you",
        "a shy giraffe", "the committee", "Joy", "the other three", "Grandpa")  # fmt: skip
_DID = ("bought", "painted", "forgot about", "moved", "wrapped up", "described", "found", "watched",
        "should have fixed", "might borrow", "threw away", "never mentioned", "broke", "pulled on",
        "washed", "is looking for", "gave back", "chose", "would improve",
        "jumped over")  # fmt: skip
_WHAT = ("a purple umbrella", "the map of Peru", "five warm muffins", "that old piano",
    "some fresh cheese",
         "both photographs", "the wrong bus", "a huge orange pumpkin", "your favourite movie",
         "the fence",
         "a bowl of soup", "my football", "the bathroom mirror", "an invisible thread",
         "several letters",
         "the yellow boat", "another job", "this measure of time", "the royal coin",
         "a thin vest")  # fmt: skip
_WHEN = ("before breakfast", "in the middle of May", "on Wednesday evening", "by the sea",
    "above the shop",
         "with a big smile", "for no reason at all", "at about half past four",
         "from the top of the hill",
         "while we were away", "under the bridge", "again and again", "as usual", "without a map",
         "in spite of the rain", "just now")  # fmt: skip
_ONSETS = ("p", "b", "m", "f", "v", "t", "d", "n", "s", "z", "sh", "ch", "j", "k", "g", "l", "r",
    "w",
           "y", "h", "th", "pl", "br", "sm", "sp", "fl", "tw", "")  # fmt: skip
_NUCLEI = ("a", "ee", "o", "oo", "ow", "ay", "i", "e", "u", "oy", "er", "aw", "ah", "oh")
_CODAS = ("", "", "", "m", "p", "b", "n", "t", "s", "f", "v", "k", "l", "sh", "mp", "th", "ng")


def invented_word(rng: random.Random) -> str:
    """One to three syllables that no dictionary has."""
    return "".join(
        rng.choice(_ONSETS) + rng.choice(_NUCLEI) + rng.choice(_CODAS)
        for _ in range(rng.choice((1, 2, 2, 3)))
    )


def composed_sentence(rng: random.Random) -> str:
    """Who did what when, from the small grammar."""
    parts = [rng.choice(_WHO), rng.choice(_DID), rng.choice(_WHAT)]
    if rng.random() < 0.75:
        parts.append(rng.choice(_WHEN))
    sentence = " ".join(parts)
    if rng.random() < 0.3:
        sentence += f", {rng.choice(('and', 'but', 'so', 'because'))} {rng.choice(_WHO)} "
        sentence += f"{rng.choice(_DID)} {rng.choice(_WHAT)}"
    return sentence[0].upper() + sentence[1:] + rng.choice((".", ".", ".", "!", "?"))


HELD_OUT = 8
"""So many English sentences, the first ones, are only in the test split."""


def text(
    rng: random.Random,
    language: str = "en",
    split: str = "train",
    known_words: bool = False,
    dictionary: Sequence[str] = (),
) -> str:
    """One utterance in ``language``: a sentence, a composed one, and invented words or, where only
    words of a dictionary will do, random ones of ``dictionary``.
    """
    if language != "en":
        sentence = rng.choice(OTHERS[language])
        if language not in ("ru", "cmn", "hi") and rng.random() < 0.35:
            sentence += " " + " ".join(invented_word(rng) for _ in range(rng.randint(2, 6)))
        return sentence
    draw = rng.random()
    if draw < 0.3:
        return rng.choice(ENGLISH[:HELD_OUT] if split == "test" else ENGLISH[HELD_OUT:])
    if known_words and dictionary and draw < 0.65:
        words = " ".join(rng.choice(dictionary) for _ in range(rng.randint(4, 9)))
        return words.capitalize() + "."
    if draw < 0.8 or known_words:
        return composed_sentence(rng)
    return " ".join(invented_word(rng) for _ in range(rng.randint(4, 9))).capitalize() + "."
