//! The catalogue becomes a file.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::process::ExitCode;

use anyhow::Context;
use serde::Deserialize;

use super::row::{COLUMNS, Fields, STOCK, cell_of};
use super::{ExportProducts, Format};
use crate::progress;

/// Products that are asked for at once: the most that the service gives.
const PAGE: u64 = 200;

#[derive(Deserialize)]
struct Page {
    data: Products,
    meta: Meta,
}

#[derive(Deserialize)]
struct Products {
    products: Vec<Fields>,
}

#[derive(Deserialize)]
struct Meta {
    total: u64,
    pages: u64,
}

pub(super) async fn run(args: &ExportProducts, out: &mut (dyn Write + Send)) -> anyhow::Result<ExitCode> {
    let format = args.shop.format_of(&args.file)?;
    let mut service = args.shop.service();
    let writing = || format!("writing {}", args.file.display());
    let mut page: Page = service.get_as(&path(1)).await?;
    let mut sheet =
        Sheet::begin(File::create_new(&args.file).with_context(writing)?, format).with_context(writing)?;
    let bar = progress::counting(page.meta.total, "products");
    let (mut number, mut written, mut unnamed) = (1, 0_u64, 0_u64);
    loop {
        for mut product in page.data.products {
            // What is physically there: what is held for orders is not something that a file could bring back.
            if let Some(on_hand) = product.remove("onHand") {
                product.insert(STOCK.to_owned(), on_hand);
            }
            unnamed += u64::from(product.get("sku").is_none_or(|sku| sku.get() == "null"));
            sheet.write(&product).with_context(writing)?;
            written += 1;
            bar.inc(1);
        }
        if number >= page.meta.pages {
            break;
        }
        number += 1;
        page = service.get_as(&path(number)).await?;
    }
    bar.finish_and_clear();
    sheet.finish().with_context(writing)?;
    writeln!(out, "{written} products written to {}.", args.file.display())?;
    if unnamed > 0 {
        writeln!(out, "{unnamed} of them have no SKU: import will not take these rows.")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// By age, so that products that are made meanwhile come last.
fn path(page: u64) -> String {
    format!("/api/v1/products?sort=createdAt&limit={PAGE}&page={page}")
}

enum Sheet {
    Csv(Box<csv::Writer<File>>),
    Jsonl(BufWriter<File>),
}

impl Sheet {
    fn begin(file: File, format: Format) -> anyhow::Result<Self> {
        Ok(match format {
            Format::Jsonl => Self::Jsonl(BufWriter::new(file)),
            Format::Csv => {
                let mut writer = csv::Writer::from_writer(file);
                writer.write_record(columns())?;
                Self::Csv(Box::new(writer))
            }
        })
    }

    fn write(&mut self, product: &Fields) -> anyhow::Result<()> {
        match self {
            Self::Csv(writer) => {
                let cells = columns()
                    .map(|column| product.get(column).map_or(Ok(String::new()), |v| cell_of(column, v)));
                writer.write_record(cells.collect::<Result<Vec<_>, _>>()?)?;
            }
            Self::Jsonl(writer) => {
                let known = columns().filter_map(|column| product.get_key_value(column));
                // A field that is not there is left out, as an empty cell is.
                let known: std::collections::BTreeMap<_, _> =
                    known.filter(|(_, value)| value.get() != "null").collect();
                serde_json::to_writer(&mut *writer, &known)?;
                writer.write_all(b"\n")?;
            }
        }
        Ok(())
    }

    fn finish(self) -> anyhow::Result<()> {
        let file = match self {
            Self::Csv(writer) => writer.into_inner().map_err(|error| error.into_error())?,
            Self::Jsonl(writer) => writer.into_inner().map_err(|error| error.into_error())?,
        };
        Ok(file.sync_all()?)
    }
}

fn columns() -> impl Iterator<Item = &'static str> {
    COLUMNS.into_iter().chain([STOCK])
}
