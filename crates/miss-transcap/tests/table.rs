//! A user's own table: honest ones against what the same data give by another way, and hostile ones.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use miss_data::read::{Outcome, Place, Read};
use miss_data::rsna;
use miss_transcap::attributes::{Class, Convention, Modality, Side, Size, Third};
use miss_transcap::map::table::{TableMap, TableMapError};
use miss_transcap::map::{self, Labelled};

fn mapped_as(name: &str, map: &str, table: &str) -> Result<Read<Labelled>, TableMapError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, table).unwrap();
    TableMap::parse(map)?.labelled(&path)
}

fn mapped(map: &str, table: &str) -> Read<Labelled> {
    mapped_as("table.csv", map, table).unwrap()
}

fn refused(map: &str) -> String {
    TableMap::parse(map).unwrap_err().to_string()
}

/// The one finding.
fn why(read: &Read<Labelled>) -> String {
    assert_eq!(read.findings.len(), 1, "{:?}", read.findings);
    read.findings[0].to_string()
}

const CHEXPERT: &str = r#"
    image = "Path"
    [constants]
    modality = "xray"
    organ = "chest"
    [columns."Frontal/Lateral"]
    is = "plane"
    values = { Frontal = "", Lateral = "lateral" }
    [columns."AP/PA"]
    is = "plane"
    values = { AP = "anteroposterior", PA = "posteroanterior" }
    [columns."No Finding"]
    is = "label"
    values = { "1.0" = "no-finding", "0.0" = "" }
    [columns.Cardiomegaly]
    is = "label"
    values = { "1.0" = "cardiomegaly", "0.0" = "", "-1.0" = "" }
    [columns."Pleural Effusion"]
    is = "label"
    values = { "1.0" = "pleural-effusion", "0.0" = "", "-1.0" = "" }
"#;

#[test]
fn a_table_of_ones_and_zeros_like_chexperts() {
    let read = mapped(
        CHEXPERT,
        "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Cardiomegaly,Pleural Effusion\n\
         train/patient00001/study1/view1.jpg,Female,68,Frontal,AP,1.0,,\n\
         train/patient00002/study2/view1.jpg,Female,87,Frontal,PA,,-1.0,1.0\n\
         train/patient00003/study1/view2.jpg,Male,83,Lateral,,,1.0,1.0\n\
         train/patient00004/study1/view1.jpg,Male,41,Frontal,AP,,0.0,0.0\n\
         train/patient00005/study1/view1.jpg,Male,41,Frontal,AP,1.0,1.0,0.0\n\
         train/patient00006/study1/view1.jpg,Male,41,Frontal,LL,,1.0,0.0\n\
         train/patient00007/study1/view1.jpg,Male,41,Frontal,AP,,2.0,0.0\n",
    );
    // Written down by hand: what the four rows say that can be used.
    let told: Vec<String> = read
        .records
        .iter()
        .map(|one| serde_json::to_string(&one.attributes).unwrap())
        .collect();
    assert_eq!(
        told,
        [
            r#"{"modality":"xray","plane":"anteroposterior","organ":"chest","class":"no-finding"}"#,
            r#"{"modality":"xray","plane":"posteroanterior","organ":"chest","findings":[{"pathology":"pleural-effusion"}]}"#,
            r#"{"modality":"xray","plane":"lateral","organ":"chest","findings":[{"pathology":"cardiomegaly"},{"pathology":"pleural-effusion"}]}"#,
            r#"{"modality":"xray","plane":"anteroposterior","organ":"chest"}"#,
        ]
    );
    assert_eq!(read.records[2].image, "train/patient00003/study1/view2.jpg");
    let places: Vec<Place> = read.findings.iter().map(|found| found.place).collect();
    assert_eq!(places, [6, 7, 8].map(Place::Line));
    assert_eq!(read.dropped(), 3);
    let said: Vec<String> = read.findings.iter().map(ToString::to_string).collect();
    assert!(said[0].contains("neither normal nor"), "{}", said[0]);
    assert!(
        said[1].contains("`AP/PA`") && said[1].contains("the nearest is `"),
        "{}",
        said[1]
    );
    assert!(said[2].contains("`Cardiomegaly`: `2.0`"), "{}", said[2]);
    // Patients, sexes and ages are in no attribute; a hostile cell is in none either.
    for text in &told {
        assert!(
            !text.contains("patient0") && !text.contains("ale"),
            "{text}"
        );
    }
}

#[test]
fn a_table_of_rsnas_boxes_gives_what_its_own_mapper_gives() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/rsna-labels");
    if !root.is_dir() {
        let _ = writeln!(std::io::stderr(), "skipped: {} not found", root.display());
        return;
    }
    // Joined by hand from the two files, without the reader of the format.
    let file = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
    let classes = file("stage_2_detailed_class_info.csv");
    let classes: BTreeMap<&str, &str> = classes
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(','))
        .collect();
    let mut table = String::from("patientId\tx\ty\twidth\theight\tclass\tTarget\n");
    for line in file("stage_2_train_labels.csv").lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let [id, x, y, width, height, target] = fields[..] else {
            panic!("{line}");
        };
        let class = classes[id];
        writeln!(
            table,
            "{id}\t{x}\t{y}\t{width}\t{height}\t{class}\t{target}"
        )
        .unwrap();
    }
    let patients = rsna::read_patients(&root).unwrap().records;
    for (convention, name) in [
        (Convention::ImageSide, "image-side"),
        (Convention::PatientSide, "patient-side"),
    ] {
        let map = format!(
            r#"
            image = "patientId"
            image-suffix = ".dcm"
            sides = "{name}"
            [constants]
            modality = "xray"
            organ = "chest"
            [columns.class]
            is = "label"
            [boxes]
            x = "x"
            y = "y"
            width = "width"
            height = "height"
            image-width = 1024
            image-height = 1024
            "#
        );
        let read = mapped(&map, &table);
        assert_eq!(read.findings, []);
        let ours: BTreeMap<&str, _> = read
            .records
            .iter()
            .map(|one| (one.image.strip_suffix(".dcm").unwrap(), &one.attributes))
            .collect();
        // What is read of the format is 26,605 patients.
        let mut boxes = 0;
        for patient in &patients {
            let theirs = map::rsna::attributes(patient, convention).unwrap();
            assert_eq!(*ours[patient.id.as_str()], theirs, "{}", patient.id);
            boxes += theirs
                .findings
                .iter()
                .map(|found| found.locations.len())
                .sum::<usize>();
        }
        assert!(boxes > 9_000, "{boxes}");
        let _ = writeln!(
            std::io::stderr(),
            "{} images of the table, {} patients, {boxes} boxes",
            ours.len(),
            patients.len()
        );
    }
}

const NODULES: &str = r#"
    image = "file"
    sides = "patient-side"
    [constants]
    modality = "ct"
    [columns.what]
    is = "label"
    separator = ";"
    [columns.n]
    is = "count"
    [columns.third]
    is = "height"
    [columns.half]
    is = "side"
    values = { L = "left", R = "right" }
    [columns.extent]
    is = "size"
    [columns.seen]
    is = "structure"
    separator = ";"
"#;

#[test]
fn rows_of_one_image_are_merged_and_lists_of_json_say_the_same_as_lines_and_as_a_table() {
    let rows = [
        r#"{"file":"a.png","what":"nodule","third":"upper","half":"L","extent":"small","seen":["Left Lung","heart"]}"#,
        r#"{"file":"b.png","what":["mass","consolidation"],"n":null}"#,
        r#"{"file":"a.png","what":"nodule","third":"lower","half":"R","extent":"small","n":3}"#,
        r#"{"file":"a.png","what":"nodule","third":"lower","half":"R","extent":"small","n":3}"#,
    ];
    let list = mapped_as("t.json", NODULES, &format!("[{}]", rows.join(","))).unwrap();
    let lines = mapped_as("t.jsonl", NODULES, &rows.join("\n")).unwrap();
    let table = mapped(
        NODULES,
        "file;what;n;third;half;extent;seen\n\
         a.png;nodule;;upper;L;small;\"Left Lung;heart\"\n\
         b.png;\"mass;consolidation\";;;;;\n\
         a.png;nodule;3.0;lower;R;small;\n\
         a.png;nodule;3;lower;R;Small;\n",
    );
    assert_eq!(list.records, lines.records);
    assert_eq!(list.records, table.records);
    assert_eq!(list.findings, []);
    assert_eq!(table.findings, []);
    let [a, b] = list.records.as_slice() else {
        panic!("{list:?}");
    };
    assert_eq!((a.image.as_str(), b.image.as_str()), ("a.png", "b.png"));
    let nodules = &a.attributes.findings[0];
    assert_eq!((nodules.count, nodules.size), (Some(3), Some(Size::Small)));
    let places: Vec<_> = nodules
        .locations
        .iter()
        .map(|at| (at.height, at.side))
        .collect();
    assert_eq!(
        places,
        [
            (Some(Third::Upper), Some(Side::Left)),
            (Some(Third::Lower), Some(Side::Right))
        ]
    );
    assert_eq!(a.attributes.sides, Some(Convention::PatientSide));
    assert_eq!(a.attributes.structures.len(), 2);
    assert_eq!((b.attributes.findings.len(), b.attributes.sides), (2, None));
}

#[test]
fn what_a_map_gets_wrong_is_named_with_the_nearest_that_would_be_right() {
    for (map, wanted) in [
        ("imag = 'a'", "line 1"),
        ("image = 'a'\n[constants]\nmodalty = 'ct'", "line 3"),
        ("image = 'a'\n[constants]\nmodality = 'cat'", "line 3"),
        ("image = 'a'\n[constants]\norgan = 'chst'", "`chest`"),
        ("image = 'a'\n[columns.v]\nis = 'lable'", "line 3"),
        (
            "image = 'a'\n[columns.v]\nis = 'label'\nvalue = {}",
            "line 4",
        ),
        (
            "image = 'a'\n[columns.v]\nis = 'label'\nvalues = {x = 'nodul'}",
            "`columns.v.values.x`: `nodul`",
        ),
        (
            "image = 'a'\n[columns.v]\nis = 'plane'\nvalues = {x = 'axail'}",
            "the nearest is `axial`",
        ),
        (
            "image = 'a'\n[columns.v]\nis = 'count'\nvalues = {none = '0'}",
            "an empty term",
        ),
        (
            "image = 'a'\n[columns.v]\nis = 'count'\nseparator = ';'",
            "only labels",
        ),
        ("image = 'a'\n[columns.v]\nis = 'side'", "`patient-side`"),
        (
            "image = 'a'\n[constants]\nmodality = 'ct'\nplane = 'lateral'",
            "`constants`",
        ),
        (
            "image = 'a'\nsides = 'image-side'\n[boxes]\nx='x'\ny='y'\nwidth='w'\nheight='h'\nimage-width=nan\nimage-height=9",
            "boxes.image-width",
        ),
        (
            "image = 'a'\nsides = 'image-side'\n[boxes]\nx='x'\ny='y'\nwidth='w'\nheight='h'\nimage-width=[1]\nimage-height=9",
            "a number of pixels or",
        ),
    ] {
        let said = refused(map);
        assert!(said.contains(wanted), "{map}\n{said}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my-map.toml");
    assert!(
        TableMap::read(&path)
            .unwrap_err()
            .to_string()
            .contains("my-map.toml")
    );
    std::fs::write(&path, "image = 'a'\nmodality = 'ct'").unwrap();
    let said = TableMap::read(&path).unwrap_err().to_string();
    assert!(
        said.contains("my-map.toml") && said.contains("line 2"),
        "{said}"
    );
}

#[test]
fn a_column_that_is_missing_is_named_with_the_nearest() {
    let error = mapped_as("scans.csv", CHEXPERT, "path,Cardiomegaly\na,1.0\n").unwrap_err();
    let said = error.to_string();
    assert!(
        said.contains("scans.csv") && said.contains("`Path`") && said.contains("nearest is `path`"),
        "{said}"
    );
    assert!(mapped_as("empty.csv", CHEXPERT, "").is_err());
    assert!(mapped_as("open.csv", "image = 'a'", "a,b\nx,\"y\n").is_err());
}

#[test]
fn no_path_leaves_its_folder_and_no_row_is_lost_silently() {
    let map = "image = 'p'\n[columns.l]\nis = 'label'";
    for path in [
        "../x.png",
        "/etc/passwd",
        "a/../../x",
        "c:/x",
        "a//b",
        "",
        " ",
        r"a\b",
    ] {
        let read = mapped(map, &format!("p,l\n{path},nodule\nok.png,mass\n"));
        assert_eq!(read.records.len(), 1, "{path:?}");
        assert!(why(&read).contains("line 2"), "{path:?}");
    }
    // A field too many, no label, and a list where a text is wanted.
    let read = mapped(map, "p,l\na.png,nodule,x\nb.png,\nc.png,mass\n");
    assert_eq!((read.records.len(), read.dropped()), (1, 2));
    let read = mapped_as(
        "t.json",
        map,
        r#"[{"p":["a"],"l":"mass"},{"p":"b","l":{"c":1}}, {"p":"c","l":"mass"}]"#,
    )
    .unwrap();
    assert_eq!((read.records.len(), read.dropped()), (1, 2));
    let read = mapped(map, "p,l\n");
    assert!(read.records.is_empty() && why(&read).contains("no rows"));
}

#[test]
fn one_row_that_cannot_be_mapped_leaves_its_whole_image_out() {
    let map = "image = 'p'\n[columns.l]\nis = 'label'\n[columns.m]\nis = 'modality'";
    for bad in ["a,Jon Doe 1961-02-03,", "a,normal,", "a,,ultra-sound-x"] {
        let read = mapped(
            map,
            &format!("p,l,m\na,nodule,ct\nb,mass,\n{bad}\na,mass,ct\n"),
        );
        let images: Vec<&str> = read.records.iter().map(|one| one.image.as_str()).collect();
        assert_eq!(images, ["b"], "{bad}");
        assert_eq!(read.dropped(), 1);
        assert!(!format!("{:?}", read.records).contains("Doe"));
    }
    // An exact sequence and "MRI" agree; CT and MRI do not.
    let read = mapped(map, "p,l,m\na,mass,mri\na,,MRI T1\nb,mass,ct\nb,,mri\n");
    assert_eq!(read.records.len(), 1);
    assert_eq!(read.records[0].attributes.modality, Some(Modality::MriT1));
    assert!(why(&read).contains("line 5") && why(&read).contains("second modality"));
}

#[test]
fn counts_sizes_and_places_are_only_told_where_they_are_known() {
    let head = "file,what,n,third,half,extent,seen\n";
    let one = |rows: &str| mapped(NODULES, &format!("{head}{rows}"));
    // Too many to be told, and what cannot be counted: kept, and said so.
    for (row, told) in [
        ("a,nodule,21,,,,", None),
        ("a,nodule,1e300,,,,", None),
        ("a,nodule,20,,,,", Some(20)),
        ("a,cardiomegaly,2,,,,", None),
    ] {
        let read = one(row);
        assert_eq!(read.records[0].attributes.findings[0].count, told, "{row}");
        assert_eq!(read.findings.len(), usize::from(told.is_none()));
        assert!(
            read.findings
                .iter()
                .all(|found| found.outcome == Outcome::Kept)
        );
    }
    for row in [
        "a,nodule,0,,,,",
        "a,nodule,-1,,,,",
        "a,nodule,2.5,,,,",
        "a,nodule,NaN,,,,",
        "a,nodule,inf,,,,",
        "a,,2,,,,",
        "a,nodule;mass,2,,,,",
        "a,nodule,,,both,,",
        "a,nodule,2,,,,\na,nodule,3,,,,",
        // Two places, and only one nodule.
        "a,nodule,1,upper,,,\na,nodule,,lower,,,",
        "a,normal,,,L,,",
    ] {
        let read = one(row);
        assert!(read.records.is_empty(), "{row}");
        assert!(why(&read).contains("left out"), "{row}");
    }
    let read = one("a,nodule,,,,small,\na,nodule,,,,large,\n");
    assert_eq!(read.records[0].attributes.findings[0].size, None);
    assert!(why(&read).contains("not told"));
}

#[test]
fn boxes_are_counted_once_and_must_lie_on_their_image() {
    let map = r#"
        image = "p"
        sides = "image-side"
        [columns.l]
        is = "label"
        [columns.o]
        is = "structure"
        [boxes]
        x = "x"
        y = "y"
        width = "w"
        height = "h"
        image-width = "W"
        image-height = 100
    "#;
    let one = |rows: &str| mapped(map, &format!("p,l,o,x,y,w,h,W\n{rows}"));
    let read = one(
        "a,nodule,,1,1,5,5,200\na,nodule,,1,1,5,5,200\na,nodule,,150,90,5,5,200\na,,heart,9,9,9,9,200\n",
    );
    assert_eq!(read.findings, []);
    let found = &read.records[0].attributes;
    assert_eq!(
        (found.findings[0].count, found.structures.len()),
        (Some(2), 1)
    );
    for bad in [
        "a,nodule,,1,1,5,,200",
        "a,nodule,,1,1,5,5,",
        "a,nodule,,1,1,5,5,0",
        "a,nodule,,1,1,5,5,inf",
        "a,nodule,,-1,1,5,5,200",
        "a,nodule,,1,1,500,5,200",
        "a,nodule,,1,1,0,5,200",
        "a,nodule,,NaN,1,5,5,200",
        "a,nodule,,one,1,5,5,200",
        "a,,,1,1,5,5,200",
        "a,normal,,1,1,5,5,200",
    ] {
        let read = one(bad);
        assert!(read.records.is_empty(), "{bad}");
        assert!(why(&read).contains("line 2"), "{bad}");
    }
    // More than can be told: that there are some is told, and that the rest is not.
    let many: String = (0..30)
        .map(|x| format!("a,nodule,,{x},1,5,5,200\n"))
        .collect();
    let read = one(&many);
    let nodules = &read.records[0].attributes.findings[0];
    assert_eq!((nodules.count, nodules.locations.len()), (None, 0));
    assert!(why(&read).contains("30 boxes"));
}

#[test]
fn classes_can_be_constant() {
    let read = mapped(
        "image = 'p'\n[constants]\nmodality = 'xray'\nclass = 'normal'",
        "id,p\nDoe,a\nPoe,b\n",
    );
    assert_eq!(read.records.len(), 2);
    assert_eq!(read.records[0].attributes, read.records[1].attributes);
    assert_eq!(read.records[0].attributes.class, Some(Class::Normal));
}
