//! The closed vocabulary: every word that a caption may have, and what it says.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::attributes::{Modality, Organ, Pathology, Plane, Shape, Side, Size, Third};

/// What a word or phrase says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sense {
    Modality(Modality),
    /// A picture of whatever modality.
    Image,
    Plane(Plane),
    /// From the front or the back: weaker than both.
    Frontal,
    Organ(Organ),
    Pathology(Pathology),
    /// The last word of a name, which stands for the finding of the attributes that ends in it.
    Head(&'static str),
    Number(u8),
    /// "a": one, where one is counted; otherwise only that there is such a thing.
    Article,
    /// "the other", "another": one more.
    Other,
    /// More than one, and nobody knows how many.
    Vague,
    /// Two, or both sides, by what follows.
    Both,
    Bilateral,
    Side(Side),
    Height(Third),
    /// Towards the head or the feet, which is up and down only where the patient stands in the image.
    Axis(Third),
    /// "high in": a height and its preposition.
    HeightIn(Third),
    /// "part", "side", "zone": a place, if a side or height says which.
    Zone,
    Size(Size),
    Shape(Shape),
    /// "shaped like a wedge", which stands after what it is said of.
    ShapeAfter(Shape),
    /// "in size", after a size or shape that is said of what went before.
    After,
    /// The pleura, which only what is named for it may name.
    Pleura,
    /// "no", "without": of what follows.
    No,
    /// "not": of what follows or went before.
    Not,
    /// "absent": of what went before.
    Absent,
    And,
    Or,
    But,
    Normal,
    Abnormal,
    /// "findings", of whatever kind.
    Findings,
    Patient,
    Possessive,
    The,
    In,
    Of,
    Verb,
    Neutral,
    /// "these": of all that were named before.
    These,
    Comma,
    Stop,
    /// The place of a token in the caption's words, for the message.
    Unknown(usize),
}

/// A caption as words and what they say; unknown words are kept for the message.
pub(super) struct Lexed {
    pub senses: Vec<Sense>,
    pub unknown: Vec<String>,
}

struct Vocabulary(HashMap<&'static str, Vec<(Vec<&'static str>, Sense)>>);

impl Vocabulary {
    /// Phrases of the same words keep the first sense.
    fn add(&mut self, phrases: &'static str, sense: Sense) {
        for phrase in phrases.split(';') {
            let words: Vec<&'static str> = phrase
                .split([' ', '-'])
                .filter(|word| !word.is_empty())
                .collect();
            let Some(first) = words.first() else { continue };
            let of_first = self.0.entry(first).or_default();
            if !of_first.iter().any(|(known, _)| *known == words) {
                of_first.push((words, sense));
            }
        }
    }

    fn new() -> Self {
        let mut vocabulary = Self(HashMap::new());
        for (phrases, sense) in PHRASES {
            vocabulary.add(phrases, *sense);
        }
        for (phrases, id) in TURNED {
            if let Ok(pathology) = Pathology::find(id) {
                vocabulary.add(phrases, Sense::Pathology(pathology));
            }
        }
        for pathology in Pathology::all() {
            for name in [pathology.noun()]
                .into_iter()
                .chain(pathology.plural())
                .chain(pathology.synonyms().iter().copied())
            {
                vocabulary.add(name, Sense::Pathology(pathology));
            }
        }
        for organ in Organ::all() {
            for name in [organ.noun()]
                .into_iter()
                .chain(organ.plural())
                .chain(organ.synonyms().iter().copied())
            {
                vocabulary.add(name, Sense::Organ(organ));
            }
        }
        for (adjective, id) in ORGAN_WORDS {
            if let Ok(organ) = Organ::find(id) {
                vocabulary.add(adjective, Sense::Organ(organ));
            }
        }
        for word in NEUTRAL.split_whitespace() {
            vocabulary.add(word, Sense::Neutral);
        }
        for word in VERBS.split_whitespace() {
            vocabulary.add(word, Sense::Verb);
        }
        for (number, words) in (0_u8..).zip(NUMBERS) {
            vocabulary.add(words, Sense::Number(number));
        }
        for phrases in vocabulary.0.values_mut() {
            phrases.sort_by_key(|(words, _)| std::cmp::Reverse(words.len()));
        }
        vocabulary
    }
}

static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(Vocabulary::new);

const NUMBERS: [&str; 21] = [
    "zero;0",
    "one;1;single;solitary;lone;a single;a solitary;a lone;just one;only one",
    "two;2;a pair of;pair of;a pair;two separate;two distinct",
    "three;3",
    "four;4",
    "five;5",
    "six;6",
    "seven;7",
    "eight;8",
    "nine;9",
    "ten;10",
    "eleven;11",
    "twelve;12",
    "thirteen;13",
    "fourteen;14",
    "fifteen;15",
    "sixteen;16",
    "seventeen;17",
    "eighteen;18",
    "nineteen;19",
    "twenty;20",
];

/// Adjectives, and nouns that say no more than the organ.
const ORGAN_WORDS: [(&str, &str); 11] = [
    ("cranial", "head"),
    ("thoracic;hemithorax;hemithoraces", "chest"),
    ("abdominal", "abdomen"),
    ("pelvic", "pelvis"),
    ("cerebral", "brain"),
    ("cardiac", "heart"),
    ("hepatic", "liver"),
    ("renal", "kidney"),
    ("splenic", "spleen"),
    ("pulmonary", "lung"),
    ("mediastinal", "mediastinum"),
];

/// Names with the organ after the finding.
const TURNED: [(&str, &str); 8] = [
    ("cancer of the liver", "liver-cancer"),
    ("cancer of the lung", "lung-cancer"),
    ("fibrosis of the lung;fibrosis of the lungs", "fibrosis"),
    (
        "opacity of the lung;opacity of the lungs;opacities of the lung;opacities of the lungs",
        "lung-opacity",
    ),
    (
        "thickening of the pleura;thickened pleura",
        "pleural-thickening",
    ),
    (
        "enlargement of the heart;heart is enlarged;heart appears enlarged;heart enlargement",
        "cardiomegaly",
    ),
    ("oedema of the brain;edema of the brain", "brain-edema"),
    ("oedema of the lungs;edema of the lungs", "pulmonary-edema"),
];

/// Words of sentences that end the scope of a "no" before them.
const VERBS: &str = "is are was were be been being has have had can could show shows showed showing shown \
    demonstrate demonstrates demonstrated demonstrating depict depicts depicted depicting display displays \
    displayed displaying reveal reveals revealed revealing present presents presented presenting contain \
    contains containing seen see visible visualised visualized visualize visualise identified noted observed found \
    located situated positioned lie lies lying appear appears feature features featuring illustrate illustrates \
    illustrated illustrating include includes including included detected exhibits exhibit exhibiting \
    indicates indicate captures capturing captured provides imaged examined used taken obtained acquired \
    made recorded produced performed do does did having look looks sit sits sitting exist exists existing \
    existence occur occurs occurring come comes coming give gives given giving lets allows provide providing \
    provided offers offering find finds notes placed portray portrays portrayed portraying represent \
    represents represented representing documents documented documenting render renders rendered highlights \
    highlighted highlighting focuses focused focusing scanned pass passes passing affects affecting discernible \
    recognisable recognizable recognised recognized spotted pictured showcases showcasing apparent evident presence looking viewed distributed occupy occupies \
    involving involves";

/// Words that say nothing about the patient.
const NEUTRAL: &str = "that it its they them their there here which where what who whose we \
    you us our by from for to as through via using per when whereas while also additionally furthermore \
    moreover such example subject reader evidence sign signs any evidently medical \
    radiological radiology diagnostic clinical imaging examination exam study individual person body human \
    view views projection plane section slice slices sequence weighted weighting orientation aspect \
    perspective direction respectively each every all together total only exactly just \
    overall shape shaped size sized form count number organ organs structure structures anatomy anatomical technique \
    modality type attribute category label labelled labeled labels looked searched listed annotated marked \
    case specifically namely described characterised characterized classified \
    considered deemed interpreted read reported reads \
    done acquisition radiologic instance instances altogether totalling totaling too separate distinct clearly \
    undoubtedly definitely certainly corresponding corresponds viewer observer";

const PHRASES: &[(&str, Sense)] = &[
    (
        "plain;x ray;x rays;xray;xrays;radiograph;radiographs;radiographic;radiography;plain film;roentgenogram",
        Sense::Modality(Modality::Xray),
    ),
    (
        "ct;computed tomography;computed tomographic;computerised tomography;computerized tomography;cat scan",
        Sense::Modality(Modality::Ct),
    ),
    (
        "mri;mr;magnetic resonance;magnetic resonance imaging;mr imaging",
        Sense::Modality(Modality::Mri),
    ),
    ("t1;t1w;t1 weighted", Sense::Modality(Modality::MriT1)),
    ("t2;t2w;t2 weighted", Sense::Modality(Modality::MriT2)),
    (
        "flair;t2 flair;fluid attenuated inversion recovery",
        Sense::Modality(Modality::MriFlair),
    ),
    (
        "diffusion;dwi;diffusion weighted",
        Sense::Modality(Modality::MriDiffusion),
    ),
    (
        "adc;apparent diffusion coefficient",
        Sense::Modality(Modality::MriAdc),
    ),
    ("map;mapping;maps", Sense::Image),
    (
        "ultrasound;ultrasonography;ultrasonogram;sonogram;sonography;ultrasonic;sonographic;us image",
        Sense::Modality(Modality::Ultrasound),
    ),
    (
        "mammogram;mammography;mammographic",
        Sense::Modality(Modality::Mammography),
    ),
    (
        "fluoroscopy;fluoroscopic",
        Sense::Modality(Modality::Fluoroscopy),
    ),
    (
        "angiogram;angiography;angiographic",
        Sense::Modality(Modality::Angiography),
    ),
    (
        "pet;positron emission tomography",
        Sense::Modality(Modality::Pet),
    ),
    (
        "image;images;picture;figure;scan;scans;film;photograph;frame;photo",
        Sense::Image,
    ),
    (
        "axial;transverse;transaxial;axially",
        Sense::Plane(Plane::Axial),
    ),
    ("coronal", Sense::Plane(Plane::Coronal)),
    ("sagittal", Sense::Plane(Plane::Sagittal)),
    (
        "posteroanterior;pa;postero anterior;posterior anterior;posterior to anterior",
        Sense::Plane(Plane::Posteroanterior),
    ),
    (
        "anteroposterior;ap;antero posterior;anterior posterior;anterior to posterior",
        Sense::Plane(Plane::Anteroposterior),
    ),
    (
        "lateral;side view;from the side",
        Sense::Plane(Plane::Lateral),
    ),
    ("frontal", Sense::Frontal),
    (
        "opacity;opacities;opacification;opacifications",
        Sense::Head("opacity"),
    ),
    ("oedema;edema", Sense::Head("oedema")),
    (
        "tumour;tumours;tumor;tumors;brain tumour;brain tumours;brain tumor;brain tumors",
        Sense::Head("tumour"),
    ),
    ("cancer;cancers", Sense::Head("cancer")),
    ("effusion;effusions", Sense::Head("effusion")),
    ("thickening", Sense::Head("thickening")),
    ("a;an", Sense::Article),
    (
        "other;the other;another;the remaining one;the first;a first;the second;a second",
        Sense::Other,
    ),
    (
        "several;multiple;many;few;a few;some;numerous;various;more",
        Sense::Vague,
    ),
    ("both;the pair", Sense::Both),
    (
        "bilateral;bilaterally;each side;either side;each lung;either lung;both sides;left and right sides",
        Sense::Bilateral,
    ),
    ("left;left sided;left hand", Sense::Side(Side::Left)),
    ("right;right sided;right hand", Sense::Side(Side::Right)),
    (
        "high in the;high up in the;high on the;high within the;near the top of the",
        Sense::HeightIn(Third::Upper),
    ),
    (
        "low in the;low down in the;low on the;low within the;near the bottom of the",
        Sense::HeightIn(Third::Lower),
    ),
    ("upper;top", Sense::Height(Third::Upper)),
    ("middle;mid;midzone;midzones", Sense::Height(Third::Middle)),
    ("lower;bottom", Sense::Height(Third::Lower)),
    ("superior", Sense::Axis(Third::Upper)),
    ("inferior", Sense::Axis(Third::Lower)),
    (
        "side;sides;part;parts;site;sites;place;places;height;zone;zones;field;fields;region;regions;portion;portions;third;thirds;area;areas;\
      half;halves;section of;quadrant;quadrants;corner;corners;location;locations;position;positions",
        Sense::Zone,
    ),
    (
        "positive for;made out;make out;itself;themselves",
        Sense::Neutral,
    ),
    ("although;though", Sense::But),
    ("something abnormal", Sense::Abnormal),
    ("something", Sense::Neutral),
    ("small", Sense::Size(Size::Small)),
    (
        "moderate;moderately;medium;intermediate;moderate sized;medium sized;moderately sized",
        Sense::Size(Size::Moderate),
    ),
    ("large;big", Sense::Size(Size::Large)),
    ("round;rounded;circular", Sense::Shape(Shape::Round)),
    ("oval;ovoid;elliptical", Sense::Shape(Shape::Oval)),
    (
        "irregular;irregularly;irregularly shaped",
        Sense::Shape(Shape::Irregular),
    ),
    ("lobulated", Sense::Shape(Shape::Lobulated)),
    (
        "wedge;wedge shaped;wedge like",
        Sense::Shape(Shape::WedgeShaped),
    ),
    (
        "shaped like a wedge;like a wedge;in the shape of a wedge",
        Sense::ShapeAfter(Shape::WedgeShaped),
    ),
    (
        "shaped like a line;in the shape of a line",
        Sense::ShapeAfter(Shape::Linear),
    ),
    ("in size;in shape;in form", Sense::After),
    (
        "pleura;pleural space;pleural cavity;pleural spaces;pleural cavities",
        Sense::Pleura,
    ),
    ("linear;linearly;line like", Sense::Shape(Shape::Linear)),
    (
        "no;without;free of;free from;absence of;negative for;neither;none;nothing;lacks;lacking;devoid of;lack of",
        Sense::No,
    ),
    (
        "not;cannot;isn t;aren t;doesn t;don t;wasn t;weren t",
        Sense::Not,
    ),
    ("absent;missing", Sense::Absent),
    (
        "and;with;plus;together with;along with;alongside;accompanied by;as well as;besides;in addition to",
        Sense::And,
    ),
    ("or;nor", Sense::Or),
    ("but;however;yet", Sense::But),
    (
        "normal;unremarkable;healthy;normally;within normal limits;normal limits",
        Sense::Normal,
    ),
    (
        "abnormal;abnormality;abnormalities;abnormally;anomaly;anomalies;pathology;pathological;pathologies",
        Sense::Abnormal,
    ),
    (
        "finding;findings;condition;conditions;thing;things",
        Sense::Findings,
    ),
    ("patient;patients", Sense::Patient),
    ("'s", Sense::Possessive),
    ("the", Sense::The),
    ("this;these;those", Sense::These),
    (
        "in;on;at;towards;toward;within;inside;across;over;throughout",
        Sense::In,
    ),
    ("of", Sense::Of),
    (
        "in number;in total;in addition;of note;a total of;areas of;area of;\
      in all;on display;in which;on which;as a whole;in question;in view;kind of;as well;\
      without question;without doubt;without a doubt;no doubt;one can;one sees;one observes;one finds;stand out;stands out",
        Sense::Neutral,
    ),
];

/// Splits a caption into phrases of the vocabulary, the longest first.
pub(super) fn lex(caption: &str) -> Lexed {
    let words = split(caption);
    let mut lexed = Lexed {
        senses: Vec::with_capacity(words.len()),
        unknown: Vec::new(),
    };
    let mut rest = &words[..];
    while let Some(first) = rest.first() {
        let fixed = match first.as_str() {
            "," => Some(Sense::Comma),
            "." => Some(Sense::Stop),
            _ => None,
        };
        let phrases = VOCABULARY.0.get(first.as_str());
        let found = phrases.into_iter().flatten().find(|(phrase, _)| {
            phrase.len() <= rest.len() && phrase.iter().zip(rest).all(|(one, two)| one == two)
        });
        let (sense, used) = match (fixed, found) {
            (Some(sense), _) => (sense, 1),
            (None, Some((phrase, sense))) => (*sense, phrase.len()),
            (None, None) => {
                lexed.unknown.push(first.chars().take(40).collect());
                (Sense::Unknown(lexed.unknown.len() - 1), 1)
            }
        };
        lexed.senses.push(sense);
        rest = &rest[used..];
    }
    lexed
}

/// Words in lower case; a hyphen parts words, "'s" is a word, and any other sign is one that nothing knows.
fn split(caption: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut letters = caption.chars().peekable();
    let mut before = ' ';
    while let Some(letter) = letters.next() {
        let next = letters.peek().copied().unwrap_or(' ');
        let mut sign = "";
        if letter.is_alphanumeric() {
            word.extend(letter.to_lowercase());
        } else if matches!(letter, '\'' | '’') && before.is_alphanumeric() && next == 's' {
            words.push(std::mem::take(&mut word));
            word.push('\'');
        } else {
            if !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            sign = match letter {
                '.' if before.is_ascii_digit() && next.is_ascii_digit() => "decimal point",
                '.' | ';' | '!' => ".",
                ',' | ':' | '(' | ')' | '–' | '—' => ",",
                '-' if before == ' ' && next == ' ' => ",",
                '-' | '‑' | '"' | '“' | '”' | '\'' | '’' => "",
                other if other.is_whitespace() => "",
                _ => "sign",
            };
        }
        if sign == "sign" {
            words.push(letter.to_string());
        } else if !sign.is_empty() {
            words.push(sign.to_owned());
        }
        before = letter;
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}
