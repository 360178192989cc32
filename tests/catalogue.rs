//! `holdfast import products` and `holdfast export products`, to and from a running system.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fmt::Write as _;
use std::fs;

use serde_json::{Value, json};
use support::{Client, Holdfast, audit, command};

struct Shop {
    folder: tempfile::TempDir,
    system: Holdfast,
}

struct Ran {
    code: Option<i32>,
    said: String,
}

impl Shop {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        let system = Holdfast::start(&folder.path().join("data"));
        Self { folder, system }
    }

    fn file(&self, name: &str, content: &str) {
        fs::write(self.folder.path().join(name), content).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    fn holdfast(&self, args: &[&str]) -> Ran {
        let output = command(self.folder.path())
            .env("PRODUCTS_URL", format!("http://{}", self.system.products))
            .args(args)
            .output()
            .unwrap();
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        Ran { code: output.status.code(), said }
    }

    fn products(&self) -> Vec<Value> {
        let page =
            Client::connect(self.system.products).unwrap().get("/api/v1/products?sort=createdAt&limit=200");
        page["data"]["products"].as_array().unwrap().clone()
    }

    fn close(self) -> (bool, String) {
        self.system.stop();
        let (exit, said) = audit(&self.folder.path().join("data"));
        (exit.success(), said)
    }
}

impl Ran {
    fn ends(self, code: i32, says: &str) {
        assert!(self.code == Some(code) && self.said.contains(says), "{:?}: {}", self.code, self.said);
    }
}

const GOODS: &str = "sku,name,price,tags,stock,rating\n\
    K-1,Kettle,29.90,hot|red,5,4.5\nK-2,\"Cup, blue\",3,,7,\nK-3,Pot,1.05,,,\n";

#[test]
fn an_import_is_done_once_however_often_it_is_run() {
    let shop = Shop::open();
    shop.file("goods.csv", GOODS);
    shop.holdfast(&["import", "products", "goods.csv", "--dry-run"])
        .ends(0, "3 products would be made, 0 are there");
    assert_eq!(shop.products(), Vec::<Value>::new(), "a dry run changes nothing");
    shop.holdfast(&["import", "products", "goods.csv"]).ends(0, "3 products made, 0 changed, 0 are as");
    let made = shop.products();
    shop.holdfast(&["import", "products", "goods.csv"]).ends(0, "0 products made, 0 changed, 3 are as");
    assert_eq!(shop.products(), made, "nothing has a new version");
    shop.holdfast(&["import", "products", "goods.csv", "--dry-run"])
        .ends(0, "0 products would be made, 3 are there");

    // One price and one stock differ, and a product is new: the price changes, the stock stays, and that is said.
    shop.file("goods.csv", &(GOODS.replace("29.90", "31").replace(",7,", ",700,") + "K-4,Lid,2,,1,\n"));
    let ran = shop.holdfast(&["import", "products", "goods.csv"]);
    assert!(ran.said.contains("1 have another stock"), "{}", ran.said);
    ran.ends(0, "1 products made, 1 changed, 2 are as");
    let by_sku = |sku: &str| shop.products().into_iter().find(|product| product["sku"] == sku).unwrap();
    assert_eq!(by_sku("K-1")["price"], 31);
    assert_eq!((&by_sku("K-1")["onHand"], &by_sku("K-1")["tags"]), (&json!(5), &json!(["hot", "red"])));
    assert_eq!(by_sku("K-2")["onHand"], 7);

    shop.holdfast(&["import", "products", "goods.csv", "--from-line", "5"])
        .ends(0, "0 products made, 0 changed, 1 are as");
    let (clean, said) = shop.close();
    assert!(clean, "{said}");
}

#[test]
fn what_was_exported_makes_the_same_catalogue() {
    let shop = Shop::open();
    let mut goods = String::from("sku,name,price,stock,tags,description,isActive\n");
    for n in 0..450 {
        writeln!(
            goods,
            "S-{n},Product {n},{}.{:02},{n},\"[\"\"a|{n}\"\"]\",\"line\n{n}\",{}",
            n * 7,
            n % 100,
            n % 2 == 0
        )
        .unwrap();
    }
    shop.file("goods.csv", &goods);
    shop.holdfast(&["import", "products", "goods.csv", "--connections", "1"]).ends(0, "450 products made");
    for file in ["all.csv", "all.jsonl"] {
        shop.holdfast(&["export", "products", file]).ends(0, "450 products written");
        shop.holdfast(&["export", "products", file]).ends(2, "File exists");
    }
    let other = Shop::open();
    for (file, says) in [("all.csv", "450 products made"), ("all.jsonl", "450 are as the file says")] {
        other.file(file, &shop.read(file));
        // One after the other, so that they are of the same age in the same order.
        other.holdfast(&["import", "products", file, "--connections", "1"]).ends(0, says);
    }
    for file in ["all.csv", "all.jsonl"] {
        let again = format!("again-{file}");
        other.holdfast(&["export", "products", &again]).ends(0, "450 products written");
        assert_eq!(other.read(&again), shop.read(file), "{file}");
    }
}

#[test]
fn rows_that_are_wrong_are_named_and_nothing_is_sent() {
    let shop = Shop::open();
    shop.file("goods.csv", &(GOODS.to_owned() + "K-1,Again,1,,,\nK-9,Free,gratis,,,\nK-8,Many,1.005,,,\n"));
    let ran = shop.holdfast(&["import", "products", "goods.csv"]);
    for said in
        ["line 5: sku: \"K-1\" is in the file twice", "line 6: price: expected a number", "line 7: price:"]
    {
        assert!(ran.said.contains(said), "{said}: {}", ran.said);
    }
    ran.ends(1, "3 rows are right, 3 are not; nothing was sent");
    assert_eq!(shop.products(), Vec::<Value>::new());
    shop.holdfast(&["import", "products", "missing.csv"]).ends(2, "missing.csv");
    shop.file("goods.txt", GOODS);
    shop.holdfast(&["import", "products", "goods.txt"]).ends(2, "--format");
    shop.holdfast(&["import", "products", "goods.txt", "--format", "csv"]).ends(0, "3 products made");
    shop.holdfast(&["import", "products", "goods.txt", "--format", "csv", "--url", "http://127.0.0.1:9"])
        .ends(1, "go on with --from-line 2");
}
