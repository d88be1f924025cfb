//! The services of a shop, each a part of this program with data of its own: `catalogue` keeps users and products (what was read of
//! them lately in a `cache`, where there is a store), `orders` asks them and carries orders through the steps of a `saga`, `reservations` takes its commands, `notifications` tells the customer.

mod cache;
pub(crate) mod catalogue;
mod notifications;
mod orders;
mod peer;
pub(crate) mod product;
mod reservations;
mod saga;
pub(crate) mod seed;
pub(crate) mod user;

use std::sync::Arc;
use std::time::Duration;

use hyper::{Method, Response};
use serde_json::Value;
use service::app::Call;
use service::calls::origin::Origin;
use service::message::body::Body;
use service::message::problem::Problem;
use service::telemetry::metrics::Metrics;

use crate::database::migration::Migration;
use crate::database::{self, Database};
use crate::script::Script;
use cache::Cache;
use catalogue::{Catalogue, Entries};
use notifications::Notifications;
use orders::{Orders, Peers};
use peer::Peer;
use product::PRODUCTS;
use reservations::{INVENTORY, MOST, PAYMENTS, Reservations};
use store::Store;
use store::address::Address;

/// What the address of a service is.
const WHERE: &str = "http://HOST or http://HOST:PORT without a path, such as http://user-service:5001";

service::settings! {
    /// What a service of the shop knows of the others.
    #[derive(Debug, Clone)]
    pub struct Settings {
        /// orders: where the users are
        users: Origin = parse("USER_SERVICE_URL", "http://user-service:5001", WHERE, Origin::parse);
        /// orders: where the products are
        products: Origin = parse("PRODUCT_SERVICE_URL", "http://product-service:5002", WHERE, Origin::parse);
        /// orders: who is paid
        payments: Origin = parse("PAYMENT_SERVICE_URL", "http://payment-service:5005", WHERE, Origin::parse);
        /// orders: who has what is in stock
        inventory: Origin = parse("INVENTORY_SERVICE_URL", "http://inventory-service:5006", WHERE, Origin::parse);
        /// orders: how long one tries to be confirmed, before what is reserved for it is released
        patience: Duration = seconds("ORDER_TIMEOUT_SECONDS", "30", Duration::from_millis(100));
        /// payments: the most that one may be; further ones are refused
        most: u64 = number("PAYMENT_MAX", "1000000000000", 1, MOST);
        /// users: release of their table: 1 has the column name, 2 full_name as well, 3 full_name alone
        table: &'static Entries = word("USERS_SCHEMA", "1", &user::RELEASES);
        /// How users and products use a store.
        cache: cache::Settings = part(cache::Settings::read);
    }
}

/// What is asked of a service of the shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// All of what it has, or of which there is to be one more.
    All,
    /// One of them.
    One,
    Reserve,
    Release,
}

/// Which service of the shop a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Users, in a database of their own.
    Users,
    /// Products, in theirs.
    Products,
    /// Orders.
    Orders,
    /// What is paid for them.
    Payments,
    /// What is in stock for them.
    Inventory,
    /// Tells the customers what happens to their orders.
    Notifications,
}

/// Where a service keeps its data, and what it knows.
pub(crate) struct Kept {
    pub(crate) store: Option<(Address, Duration)>,
    pub(crate) database: Option<database::Settings>,
    pub(crate) seed: Vec<Value>,
    pub(crate) settings: Settings,
}

/// The service of the shop that this process is.
pub(crate) enum Shop {
    Catalogue(Catalogue),
    Orders(Arc<Orders>),
    Reservations(Reservations),
    Notifications(Notifications),
}

impl Shop {
    /// Starts `part`; `None` where it lacks what it keeps its data in, which was said at start.
    pub(crate) fn start(part: Part, kept: Kept, metrics: &mut Metrics) -> Option<Self> {
        let store = kept.store.map(|(address, patience)| {
            let reachable = metrics.add("store_reachable", "1 while the store is connected and answers");
            Store::start(address, patience, reachable, &Script::SOURCES)
        });
        let (Some(migrations), Some(checked)) = (part.migrations(&kept.settings), part.checked(&kept.settings)) else {
            return store.map(Notifications::new).map(Self::Notifications);
        };
        let reachable = metrics.add("database_reachable", "1 while the database is connected and answers");
        let database = Database::new(kept.database?, migrations, reachable);
        // What is wrong with the seed was said at start.
        let seed = kept.seed.into_iter().filter_map(|value| checked(value).ok()).collect();
        let entries = part.entries(&kept.settings);
        let Settings { users, products, payments, inventory, patience, most, cache, .. } = kept.settings;
        Some(match part {
            Part::Orders => {
                let peers = Peers {
                    users: Peer::new("users", users),
                    products: Peer::new("products", products),
                    payments: Peer::new("payments", payments),
                    inventory: Peer::new("inventory", inventory),
                };
                Self::Orders(Arc::new(Orders::new(database, peers, store, patience)))
            }
            Part::Payments => Self::Reservations(Reservations::new(&PAYMENTS, database, seed, most)),
            Part::Inventory => Self::Reservations(Reservations::new(&INVENTORY, database, seed, MOST)),
            Part::Users | Part::Products | Part::Notifications => {
                let cache = store.map(|store| Cache::new(store, cache, metrics));
                Self::Catalogue(Catalogue::new(entries?, database, cache, seed))
            }
        })
    }

    /// Whether it may be sent requests.
    pub(crate) fn is_ready(&self) -> bool {
        match self {
            Self::Catalogue(catalogue) => catalogue.is_ready(),
            Self::Orders(_) | Self::Reservations(_) | Self::Notifications(_) => true,
        }
    }

    /// Works that no request asks for, until it is dropped. Nothing of it has to be done to its end.
    pub(crate) async fn work(&self) {
        match self {
            Self::Catalogue(catalogue) => catalogue.work().await,
            Self::Orders(orders) => Arc::clone(orders).work().await,
            Self::Reservations(reservations) => reservations.work().await,
            Self::Notifications(notifications) => notifications.work().await,
        }
    }

    pub(crate) async fn answer(&self, asked: Asked, call: Call<'_>) -> Result<Response<Body>, Problem> {
        match (self, asked) {
            (Self::Catalogue(catalogue), Asked::One) => catalogue.answer_one(call).await,
            (Self::Catalogue(catalogue), _) => catalogue.answer_all(call).await,
            (Self::Orders(orders), Asked::One) => orders.show(call.id, call.server).await,
            (Self::Orders(orders), _) if call.head.method == Method::POST => orders.place(call).await,
            (Self::Orders(orders), _) => orders.counts(call.server).await,
            (Self::Reservations(service), Asked::Reserve) => service.reserve(call).await,
            (Self::Reservations(service), Asked::Release) => service.release(call).await,
            (Self::Reservations(service), _) => service.totals(call.server).await,
            (Self::Notifications(notifications), _) => notifications.counts(call.server).await,
        }
    }
}

impl Part {
    /// What a service that keeps a catalogue keeps.
    fn entries(self, settings: &Settings) -> Option<&'static Entries> {
        match self {
            Self::Users => Some(settings.table),
            Self::Products => Some(&PRODUCTS),
            _ => None,
        }
    }

    /// What makes the schema of a service with a database.
    fn migrations(self, settings: &Settings) -> Option<&'static [Migration]> {
        match self {
            Self::Users | Self::Products => self.entries(settings).map(|entries| entries.migrations),
            Self::Orders => Some(orders::MIGRATIONS),
            Self::Payments => Some(PAYMENTS.migrations),
            Self::Inventory => Some(INVENTORY.migrations),
            Self::Notifications => None,
        }
    }

    /// What reads that of which such a service has some from the start.
    pub(crate) fn checked(self, settings: &Settings) -> Option<fn(Value) -> Result<String, String>> {
        match self {
            Self::Users | Self::Products => self.entries(settings).map(|entries| entries.checked),
            Self::Orders => Some(|_| Err("orders are placed, none is there from the start".to_owned())),
            Self::Payments => Some(PAYMENTS.stocked),
            Self::Inventory => Some(INVENTORY.stocked),
            Self::Notifications => None,
        }
    }
}
