//! GPUs over time.

use super::super::{Figure, comparison_figures, lanes_figures};
use super::{clash, synthetic, texts};
use igniter_model::domain::{GpuKindName, ModelName, WorkloadName};
use igniter_results::{Following, GpuLane, LaneServer, Lanes};

/// So many GPUs over a day with four servers each; every other hour one of them goes from each GPU to the next.
fn day(gpus: usize) -> Lanes {
    const MODELS: [&str; 4] = ["alexnet", "resnet50", "vgg19", "ssd"];
    let server = |gpu: usize, place: usize, times_s: [f64; 3]| LaneServer {
        workload: WorkloadName::new(&format!("W{}", 4 * gpu + place)).unwrap(),
        model: ModelName::new(MODELS[place]).unwrap(),
        sm_pct: 20.0,
        ordered_s: times_s[0],
        ready_s: times_s[1],
        until_s: times_s[2],
    };
    let hour = |n: usize| 3600.0 * n as f64;
    let lane = |gpu: usize| {
        let before = (gpu + gpus - 1) % gpus;
        let mut servers: Vec<LaneServer> =
            (0..3).map(|place| server(gpu, place, [0.0, 0.0, hour(24)])).collect();
        servers.push(server(gpu, 3, [0.0, 0.0, hour(10)]));
        servers.push(server(before, 3, [hour(10) - 60.0, hour(10), hour(24)]));
        GpuLane {
            kind: GpuKindName::new("v100").unwrap(),
            rented_s: vec![(0.0, hour(24))],
            boots_s: vec![(hour(3), hour(3) + 120.0)],
            servers,
        }
    };
    Lanes { duration_s: hour(24), gpus: (0..gpus).map(lane).collect() }
}

fn words(figure: &Figure) -> Vec<String> {
    texts(figure.svg()).into_iter().map(|(words, _)| words).collect()
}

#[test]
fn lanes_name_gpus_workloads_and_hours_without_touching() {
    let figures = lanes_figures("lanes", "A day", &day(6)).unwrap();
    let [figure] = figures.as_slice() else { panic!("one page") };
    let words = words(figure);
    for expected in ["GPU 0", "GPU 5", "W0", "W23", "24", "Time (h)", "boots", "moves"] {
        assert!(words.iter().any(|word| word == expected), "{expected} of {words:?}");
    }
    assert_eq!(clash(figure.svg()), None);
    assert_eq!(figure.svg().matches("<polygon").count(), 6, "an arrow for each move");
}

#[test]
fn of_many_gpus_the_first_are_shown_and_the_caption_says_so() {
    let figures = lanes_figures("lanes", "A day", &day(500)).unwrap();
    assert_eq!(figures.len(), 4);
    assert!(figures[0].caption.contains("The first 96 of 500 GPUs."), "{}", figures[0].caption);
    assert!(figures[0].caption.contains("500 moves are too many"), "{}", figures[0].caption);
    assert!(figures.iter().all(|figure| clash(figure.svg()).is_none()));
    assert!(lanes_figures("lanes", "Nothing", &Lanes::default()).unwrap().is_empty());
}

#[test]
fn plans_that_follow_load_have_lanes_in_place_of_a_plan() {
    let mut comparison = synthetic(4, 2, 2, false);
    let following = Following { lanes: day(2), ..Following::default() };
    for result in &mut comparison.strategies {
        result.details.following = Some(following.clone());
    }
    let stems: Vec<String> =
        comparison_figures(&comparison).unwrap().into_iter().map(|figure| figure.stem).collect();
    assert!(!stems.contains(&"plan".to_owned()), "{stems:?}");
    assert_eq!(stems.iter().filter(|stem| stem.starts_with("lanes_")).count(), 2, "{stems:?}");
}

#[test]
fn figures_show_the_names_that_the_scenario_wants() {
    let mut comparison = synthetic(4, 2, 2, false);
    let name = comparison.strategies[0].strategy.clone();
    comparison.display.insert(name, "Our own".to_owned());
    let figures = comparison_figures(&comparison).unwrap();
    let plan = figures.iter().find(|figure| figure.stem == "plan").unwrap();
    assert!(words(plan).iter().any(|word| word.starts_with("Our own: ")), "{:?}", words(plan));
}
