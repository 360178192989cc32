//! Calls that change the catalogue or correct stock.

use std::sync::Arc;

use holdfast_contract::ProductId;

use super::Writer;
use super::command::{Adjust, Answered, CommandError, Create, Edit, Idempotent};
use super::pending::Pending;
use super::steps::Line;
use crate::domain::{Cause, Hold, Origin, Product, ProductView, Refusal, Shelf, Sku};
use crate::store::{Catalogue, IdempotencyRecord, StoredAnswer};

impl Writer {
    pub(super) async fn adjust(
        &mut self,
        adjust: Adjust,
        key: Option<Idempotent>,
        pending: &mut Pending,
    ) -> Result<Answered, CommandError> {
        if let Some(answer) = self.answered(key.as_ref(), pending).await? {
            return Ok(Answered::Replayed(answer));
        }
        let result = self.make_adjustment(adjust, pending).await;
        self.conclude(key, result, pending)
    }

    async fn make_adjustment(
        &mut self,
        adjust: Adjust,
        pending: &mut Pending,
    ) -> Result<ProductView, CommandError> {
        let Adjust { product, delta, reason } = adjust;
        let origin = Origin { cause: Cause::Adjusted(reason), at: self.now() };
        let state = self.state_with([product]).await?;
        match state.desk.adjust(product, delta, &origin) {
            Ok(movement) => {
                pending.lines.extend(movement.map(Line::Moved));
                Ok(state.desk.shown(product).map(Shelf::view)?)
            }
            Err(Refusal::StockHeld { reserved, remaining, .. }) => {
                let holds = self.named_holds(product, pending).await?;
                Err(Refusal::StockHeld { reserved, remaining, holds }.into())
            }
            Err(refusal) => Err(refusal.into()),
        }
    }

    pub(super) async fn create(
        &mut self,
        create: Create,
        key: Option<Idempotent>,
        pending: &mut Pending,
    ) -> Result<Answered, CommandError> {
        if let Some(answer) = self.answered(key.as_ref(), pending).await? {
            return Ok(Answered::Replayed(answer));
        }
        let result = self.make_product(create, pending).await;
        self.conclude(key, result, pending)
    }

    async fn make_product(
        &mut self,
        create: Create,
        pending: &mut Pending,
    ) -> Result<ProductView, CommandError> {
        let Create { id, details, on_hand } = create;
        let at = self.now();
        self.sku_is_free(details.sku.as_ref(), id, pending).await?;
        let state = self.state_with([id]).await?;
        let product = Arc::new(Product { id, details, created_at: at, updated_at: at });
        state.desk.create(product.clone(), on_hand, &Origin { cause: Cause::Created, at })?;
        let view = state.desk.shown(id).map(Shelf::view)?;
        pending.skus.extend(product.details.sku.clone());
        pending.commit.catalogue.push(Catalogue::Created(product));
        Ok(view)
    }

    pub(super) async fn edit(
        &mut self,
        edit: Edit,
        key: Option<Idempotent>,
        pending: &mut Pending,
    ) -> Result<Answered, CommandError> {
        if let Some(answer) = self.answered(key.as_ref(), pending).await? {
            return Ok(Answered::Replayed(answer));
        }
        let result = self.make_edit(edit, pending).await;
        self.conclude(key, result, pending)
    }

    async fn make_edit(&mut self, edit: Edit, pending: &mut Pending) -> Result<ProductView, CommandError> {
        let Edit { product: id, patch, if_version } = edit;
        let at = self.now();
        if let Some(sku) = &patch.sku {
            self.sku_is_free(sku.as_ref(), id, pending).await?;
        }
        let state = self.state_with([id]).await?;
        let shelf = state.desk.shown(id)?;
        let current = shelf.level.version();
        if let Some(expected) = if_version.filter(|seen| *seen != current) {
            return Err(Refusal::VersionConflict { expected, current }.into());
        }
        let details = patch.apply(&shelf.product.details);
        if details == shelf.product.details {
            return Ok(shelf.view());
        }
        if details.sku != shelf.product.details.sku {
            pending.skus.extend([&details.sku, &shelf.product.details.sku].into_iter().flatten().cloned());
        }
        let created_at = shelf.product.created_at;
        let product = Arc::new(Product { id, details, created_at, updated_at: at });
        state.desk.edit(product.clone(), false)?;
        pending.commit.catalogue.push(Catalogue::Edited(product));
        Ok(state.desk.shown(id)?.view())
    }

    pub(super) async fn hide(
        &mut self,
        id: ProductId,
        key: Option<Idempotent<()>>,
        pending: &mut Pending,
    ) -> Result<Answered<()>, CommandError> {
        if let Some(answer) = self.answered(key.as_ref(), pending).await? {
            return Ok(Answered::Replayed(answer));
        }
        let result = self.make_hidden(id, pending).await;
        self.conclude(key, result, pending)
    }

    async fn make_hidden(&mut self, id: ProductId, pending: &mut Pending) -> Result<(), CommandError> {
        let state = self.state_with([id]).await?;
        let shelf = state.desk.shown(id)?;
        let reserved = shelf.level.reserved();
        if reserved > 0 {
            let holds = self.named_holds(id, pending).await?;
            return Err(Refusal::HoldsOpen { reserved, holds }.into());
        }
        let product = shelf.product.clone();
        pending.skus.extend(product.details.sku.clone());
        state.desk.edit(product, true)?;
        pending.commit.catalogue.push(Catalogue::Hidden(id));
        Ok(())
    }

    /// The oldest holds of a product. What is pending is committed first, so that no hold is missing.
    async fn named_holds(
        &mut self,
        product: ProductId,
        pending: &mut Pending,
    ) -> Result<Vec<Hold>, CommandError> {
        if !self.flush(pending).await {
            return Err(CommandError::Unavailable("the store failed".to_owned()));
        }
        Ok(self.store.holds(product, None, Refusal::NAMED_HOLDS).await?)
    }

    /// Refuses a `sku` that is another product's. If what is pending has to do with it, that is committed first: the store
    /// is who knows.
    async fn sku_is_free(
        &mut self,
        sku: Option<&Sku>,
        of: ProductId,
        pending: &mut Pending,
    ) -> Result<(), CommandError> {
        let Some(sku) = sku else { return Ok(()) };
        if pending.skus.contains(sku) && !self.flush(pending).await {
            return Err(CommandError::Unavailable("the store failed".to_owned()));
        }
        match self.store.sku_owner(sku.as_str().to_owned()).await? {
            Some(owner) if owner != of => Err(Refusal::DuplicateSku(owner).into()),
            _ => Ok(()),
        }
    }

    /// What the same request with the same idempotency key was answered.
    pub(super) async fn answered<T>(
        &self,
        key: Option<&Idempotent<T>>,
        pending: &Pending,
    ) -> Result<Option<StoredAnswer>, CommandError> {
        let Some(key) = key else { return Ok(None) };
        let known = match pending.answers.get(&key.scope) {
            Some(known) => Some(known.clone()),
            None => self.store.idempotent(key.scope).await?.map(|r| (r.fingerprint, r.answer)),
        };
        match known {
            Some((fingerprint, _)) if fingerprint != key.fingerprint => {
                Err(Refusal::IdempotencyKeyReused.into())
            }
            Some((_, answer)) => Ok(Some(answer)),
            None => Ok(None),
        }
    }

    /// Keeps the answer under the idempotency key, to be committed with the effect. A refusal is an answer; a failure
    /// is none.
    pub(super) fn conclude<T>(
        &self,
        key: Option<Idempotent<T>>,
        result: Result<T, CommandError>,
        pending: &mut Pending,
    ) -> Result<Answered<T>, CommandError> {
        let Some(Idempotent { scope, fingerprint, render }) = key else {
            return Ok(Answered::Fresh { made: result?, stored: None });
        };
        let result = match result {
            Ok(made) => Ok(made),
            Err(CommandError::Refused(refusal)) => Err(refusal),
            Err(failure) => return Err(failure),
        };
        let answer = render(&result);
        pending.answers.insert(scope, (fingerprint, answer.clone()));
        pending.commit.idempotent.push(IdempotencyRecord {
            scope,
            fingerprint,
            answer: answer.clone(),
            at: self.now(),
        });
        Ok(match result {
            Ok(made) => Answered::Fresh { made, stored: Some(answer) },
            Err(_) => Answered::Refused(answer),
        })
    }
}
