//! An on-sale, played over HTTP by simulated people against any Usher, and proved right from what they saw.
//!
//! It knows the platform by its HTTP contract only: nothing of the workspace is linked into it, so that what it proves
//! does not rest on the code that it is about. [`check`] is pure and works on the file that a rehearsal leaves behind.

mod audit;
pub mod check;
mod copies;
pub mod cost;
mod draw;
pub mod figures;
mod hall;
pub mod history;
mod options;
mod person;
mod play;
pub mod progress;
mod record;
pub mod report;
mod site;
mod turn;
mod world;

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::{StreamExt as _, stream};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::Instant};

pub use crate::{copies::Reads, options::Options};
use crate::{
    cost::Meter,
    hall::Hall,
    history::{History, Recorder, Stage, Who},
    person::{Person, crowd, early},
    play::{Fate, play},
    progress::Progress,
    site::Site,
    world::World,
};

/// Tokens that are asked for at once.
const TOKENS_AT_ONCE: usize = 32;
/// Between the last preparation and the first who comes.
const DOORS: Duration = Duration::from_secs(1);
/// How long people who are still at something may take when everything closes.
const LAST_CALLS: Duration = Duration::from_secs(90);
/// Where the history is kept.
pub const HISTORY_FILE: &str = "history.jsonl";
/// Where the draw is kept, for whoever wants to compute it again.
pub const DRAW_FILE: &str = "draw.json";

/// What a rehearsal leaves behind.
pub struct Rehearsal {
    /// What everybody saw.
    pub history: History,
    /// What the cache was good for.
    pub reads: Reads,
    /// What the platform counted, where it does.
    pub meter: Option<Meter>,
    /// People who were programs.
    pub bots: u32,
}

/// Plays an on-sale.
///
/// # Errors
/// It could not be prepared, or the platform stopped answering.
pub async fn rehearse(options: &Options, progress: &dyn Progress) -> Result<Rehearsal, String> {
    let told = |why: std::io::Error| format!("{}: {why}", options.directory.display());
    std::fs::create_dir_all(&options.directory).map_err(told)?;
    let recorder = Recorder::new(&options.directory.join(HISTORY_FILE))?;
    let site = Site::new(options, recorder)?;
    progress.phase("tokens");
    let tokens = tokens(&site, options).await?;
    let organiser = organiser(&site, options).await;
    progress.phase("show");
    let (hall, mut stage, opened) = stage(&site, options, organiser.as_deref().ok()).await?;
    stage.people = options.buyers;
    site.recorder.stage(&stage);
    let closes =
        opened + early(options.seconds, stage.gated) + Duration::from_secs(options.seconds + options.patience_seconds);
    let before = Meter::read(&site).await;
    let world = Arc::new(World::new(site, hall, (stage.gated, stage.cap), tokens, closes));
    let people = crowd(options.seed, options.buyers, options.seconds, stage.gated);
    progress.phase("sale");
    let (unserved, bots) = sale(&world, people, opened, progress).await;
    progress.phase("books");
    let end = audit::audit(&world, organiser.as_deref().ok(), unserved).await?;
    let meter = match (before, Meter::read(&world.site).await) {
        (Some(before), Some(after)) => Some(after.since(&before)),
        _ => None,
    };
    let history = world.site.recorder.finish(stage, end)?;
    if let Some(record) = record::draw_record(&history, &world.tokens) {
        let text = serde_json::to_string(&record).map_err(|why| why.to_string())?;
        std::fs::write(options.directory.join(DRAW_FILE), text).map_err(told)?;
    }
    Ok(Rehearsal { history, reads: world.copies.reads(), meter, bots })
}

/// The show that is for sale, and when the first people may come.
async fn stage(site: &Site, options: &Options, organiser: Option<&str>) -> Result<(Hall, Stage, Instant), String> {
    let ours = options.show.is_none();
    let show = match (&options.show, organiser) {
        (Some(show), _) => show.clone(),
        (None, Some(organiser)) => hall::publish(site, organiser, options.seats).await?,
        (None, None) => return Err("nobody may publish a show here: name one, or an organiser's token".to_owned()),
    };
    let (hall, mut stage) = hall::read(site, &show).await?;
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    if let (true, false, Some(organiser)) = (ours, options.ungated, organiser) {
        let opens = DOORS + early(options.seconds, true);
        stage.opens = site.recorder.now() + micros(opens);
        hall::gate(site, organiser, &show, opens).await?;
        stage.gated = true;
    }
    // The first come so long before the opening as people do, or now.
    let early = micros(early(options.seconds, stage.gated));
    let wait = Duration::from_micros(stage.opens.saturating_sub(site.recorder.now() + early));
    let opened = Instant::now() + if stage.gated { wait } else { DOORS };
    stage.exclusive = ours;
    Ok((hall, stage, opened))
}

/// Lets everybody do what they do. Answers how many went without although they would not have given up, and how many
/// were programs.
async fn sale(world: &Arc<World>, people: Vec<Person>, opened: Instant, progress: &dyn Progress) -> (u32, u32) {
    let stubborn = |person: &Person| person.tries.is_none() && person.leaves.is_none() && person.trick.is_none();
    let mut waiting: HashMap<Who, bool> = people.iter().map(|person| (person.who, stubborn(person))).collect();
    let mut visits = JoinSet::new();
    for person in people {
        let world = Arc::clone(world);
        visits.spawn(async move { (person.who, play(world, person, opened).await) });
    }
    let (mut unserved, mut bots) = (0, 0);
    let everybody = async {
        while let Some(visit) = visits.join_next().await {
            let Ok((who, fate)) = visit else { continue };
            waiting.remove(&who);
            unserved += u32::from(fate == Fate::Unserved);
            bots += u32::from(fate == Fate::Bot);
        }
    };
    tokio::select! {
        () = everybody => {}
        () = world.watch() => {}
        () = tell(world, progress) => {}
        () = tokio::time::sleep_until(world.closes + LAST_CALLS) => {}
    }
    visits.shutdown().await;
    // Whoever was still at it when everything closed has nothing.
    unserved += u32::try_from(waiting.into_values().filter(|stubborn| *stubborn).count()).unwrap_or(u32::MAX);
    (unserved, bots)
}

async fn tell(world: &World, progress: &dyn Progress) {
    let mut news = world.news();
    loop {
        let news = news.borrow_and_update().clone();
        progress.sale(&progress::Scene::new(world, &news));
        tokio::time::sleep(progress::EVERY).await;
    }
}

/// Everybody's token: those that were given, or the embedded platform's.
async fn tokens(site: &Site, options: &Options) -> Result<HashMap<Who, Arc<str>>, String> {
    if !options.tokens.is_empty() {
        let given = u32::try_from(options.tokens.len()).unwrap_or(u32::MAX);
        if given < options.buyers {
            return Err(format!("{} buyers and {given} tokens", options.buyers));
        }
        return Ok((1..=options.buyers).zip(options.tokens.iter().map(|token| Arc::from(token.as_str()))).collect());
    }
    let people = stream::iter(1..=options.buyers).map(|who| async move {
        let token =
            local_token(site, &json!({"sub": format!("rehearsal-{}-{who}", options.seed), "roles": []})).await?;
        Ok((who, Arc::from(token)))
    });
    let tokens: Vec<Result<_, String>> = people.buffer_unordered(TOKENS_AT_ONCE).collect().await;
    tokens.into_iter().collect()
}

async fn organiser(site: &Site, options: &Options) -> Result<String, String> {
    match &options.organiser_token {
        Some(token) => Ok(token.clone()),
        None => local_token(site, &json!({"sub": "rehearsal-organiser", "roles": ["organiser"]})).await,
    }
}

async fn local_token(site: &Site, claims: &Value) -> Result<String, String> {
    let answer = site.send(Method::POST, "/dev/token", "", Some(claims)).await?;
    let token = answer.body["accessToken"].as_str();
    token
        .map(str::to_owned)
        .ok_or_else(|| format!("no token of the embedded platform: {}: {}", answer.status, answer.body))
}
